mod cli;
mod kill;
mod oidc_provider;
mod readme;
mod server_process;
