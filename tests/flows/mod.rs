mod cli;
mod kill;
mod oidc_provider;
mod server_process;
