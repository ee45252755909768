//! Floor 1: how secrets rest. Sealing under the key ring, keyed look-up hashes, passwords, session tokens, files for other servers. No
//! I/O.

pub mod age;
pub mod audit_key;
pub mod document;
pub mod generations;
pub mod key_ring;
pub mod lookup;
pub mod memory_key;
pub mod password;
pub mod password_rules;
pub mod seal;
pub mod session;

pub use audit_key::AuditKey;
pub use document::Document;
pub use generations::{Generation, Generations, Known};
pub use key_ring::KeyRing;
pub use lookup::LookupKey;
pub use memory_key::{MemoryHash, MemoryKey};
pub use seal::{Form, Place, Sealed, Vault, VaultFault};
pub use session::{Audience, Session, SessionKey};
