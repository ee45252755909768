mod cli;
mod element_gone;
mod kill;
mod oidc_provider;
mod readme;
mod replicas;
mod server_process;
mod shutdown;
