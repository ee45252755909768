//! TLS of everything but the database: one provider for the whole process. The database's is libpq's own OpenSSL.

/// Must run before the first connection, in `main` and in tests alike. Running it again changes nothing.
pub fn install() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
