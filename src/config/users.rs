//! `ligand users`.

use clap::{Args, Subcommand};

use super::Storage;
use super::secret_source::SecretFile;
use crate::kernel::secret::Secret;

#[derive(Subcommand)]
pub enum Users {
    /// Create a user, in a new organization unless --like names a colleague
    Create {
        #[command(flatten)]
        storage: Storage,
        /// The user's address: what to sign in with
        email: String,
        #[arg(long, default_value = "")]
        first_name: String,
        #[arg(long, default_value = "")]
        last_name: String,
        /// The address of a user whose organization the new one joins
        #[arg(long, value_name = "EMAIL")]
        like: Option<String>,
        #[command(flatten)]
        password: UserPassword,
    },
    /// List the users, those that are disabled included
    List {
        #[command(flatten)]
        storage: Storage,
    },
    /// Refuse a user's secret, bearers and sessions, within two seconds on every server
    Disable(OneUser),
    /// Let a disabled user call and sign in again
    Enable(OneUser),
    /// Remove a user for good; instances and links that the user made stay
    Remove(OneUser),
    /// Make a user an administrator of the organization
    Promote(OneUser),
    /// Make an administrator a plain user
    Demote(OneUser),
    /// Give a user a new password and a new secret
    Reset {
        #[command(flatten)]
        storage: Storage,
        /// The user's address
        email: String,
        #[command(flatten)]
        password: UserPassword,
    },
}

/// The password of a user.
#[derive(Args)]
pub struct UserPassword {
    #[arg(long, env = "LIGAND_USER_PASSWORD", hide = true, hide_env_values = true)]
    password: Option<Secret>,
    /// A file with the password, `-` for standard input, or LIGAND_USER_PASSWORD holds it; a random one is printed if none
    /// is given
    #[arg(long, env = "LIGAND_USER_PASSWORD_FILE", value_name = "FILE", value_parser = SecretFile::read, conflicts_with = "password")]
    password_file: Option<SecretFile>,
}

impl UserPassword {
    pub fn given(self) -> Option<Secret> {
        self.password.or(self.password_file.map(|file| file.content))
    }
}

#[derive(Args)]
pub struct OneUser {
    #[command(flatten)]
    pub storage: Storage,
    /// The user's address
    pub email: String,
}
