//! New connections to vendors: guarded, resolved, perhaps through the proxy, and encrypted.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Uri};
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tower_service::Service;
use url::Url;

use super::guard::{Guard, refused_address};
use crate::protocol::VendorFault;

/// For the way to the vendor, TLS included.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection that speaks, whatever it is made of.
pub trait Wire: Read + Write + Unpin + Send {}

impl<T: Read + Write + Unpin + Send> Wire for T {}

/// Cheap to clone.
#[derive(Clone)]
pub struct Dialer {
    guard: Guard,
    direct: HttpConnector<GuardedNames>,
    tls: TlsConnector,
    proxy: Option<Proxy>,
}

#[derive(Clone)]
struct Proxy {
    address: Url,
    /// `Proxy-Authorization`, where the address holds a user.
    authorization: Option<HeaderValue>,
}

impl Dialer {
    /// `proxy`: `http://` or `https://`, with a user where it wants one.
    pub fn new(
        guard: Guard,
        proxy: Option<&str>,
        mut config: ClientConfig,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let guard = guard.through(proxy);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            direct: connector(HttpConnector::new_with_resolver(GuardedNames(guard.clone()))),
            guard,
            tls: Arc::new(config).into(),
            proxy: proxy.map(Proxy::read).transpose()?,
        })
    }

    /// `origin`: scheme, host and port, as of a `Destination`.
    pub(super) async fn connect(&self, origin: &str) -> Result<Box<dyn Wire>, VendorFault> {
        let url = Url::parse(origin).map_err(|error| unreachable(&error))?;
        self.guard.admit(&url)?;
        match tokio::time::timeout(PATIENCE, self.dial(&url)).await {
            Ok(wire) => wire,
            Err(_) => Err(VendorFault::Timeout),
        }
    }

    async fn dial(&self, url: &Url) -> Result<Box<dyn Wire>, VendorFault> {
        let wire: Box<dyn Wire> = match &self.proxy {
            None => Box::new(self.direct.clone().call(uri(url)?).await.map_err(|error| unreachable(&error))?),
            Some(proxy) => self.tunnel(proxy, url).await?,
        };
        if url.scheme() == "https" { self.encrypted(wire, url).await } else { Ok(wire) }
    }

    async fn tunnel(&self, proxy: &Proxy, url: &Url) -> Result<Box<dyn Wire>, VendorFault> {
        // The operator named the proxy: its address may be an inner one.
        let to_proxy = ToProxy {
            address: proxy.address.clone(),
            connector: connector(HttpConnector::new()),
            dialer: self.clone(),
        };
        let mut tunnel = Tunnel::new(uri(&proxy.address)?, to_proxy);
        if let Some(authorization) = &proxy.authorization {
            tunnel = tunnel.with_auth(authorization.clone());
        }
        let authority =
            format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443));
        let target = Uri::builder().scheme("https").authority(authority).path_and_query("/").build();
        let target = target.map_err(|error| unreachable(&error))?;
        tunnel.call(target).await.map_err(|error| VendorFault::Proxy(with_causes(&error)))
    }

    async fn encrypted(&self, wire: Box<dyn Wire>, url: &Url) -> Result<Box<dyn Wire>, VendorFault> {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let name = ServerName::try_from(host.to_owned()).map_err(|error| unreachable(&error))?;
        let encrypted = self.tls.connect(name, TokioIo::new(wire)).await.map_err(|error| unreachable(&error))?;
        Ok(Box::new(TokioIo::new(encrypted)))
    }
}

/// The way to the proxy itself.
#[derive(Clone)]
struct ToProxy {
    address: Url,
    connector: HttpConnector,
    dialer: Dialer,
}

impl Service<Uri> for ToProxy {
    type Response = Box<dyn Wire>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let mut to = self.clone();
        Box::pin(async move {
            let wire: Box<dyn Wire> = Box::new(to.connector.call(uri).await?);
            if to.address.scheme() == "https" { Ok(to.dialer.encrypted(wire, &to.address).await?) } else { Ok(wire) }
        })
    }
}

impl Proxy {
    fn read(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let address = Url::parse(text)?;
        let user = (!address.username().is_empty()).then(|| {
            let decoded = |part| percent_decode_str(part).decode_utf8_lossy();
            format!("{}:{}", decoded(address.username()), decoded(address.password().unwrap_or_default()))
        });
        let authorization = match user {
            Some(pair) => {
                use base64::Engine as _;
                let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
                let mut value = HeaderValue::from_str(&format!("Basic {encoded}"))?;
                value.set_sensitive(true);
                Some(value)
            }
            None => None,
        };
        Ok(Self { address, authorization })
    }
}

fn connector<R>(mut connector: HttpConnector<R>) -> HttpConnector<R> {
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_keepalive(Some(Duration::from_secs(60)));
    connector
}

fn uri(url: &Url) -> Result<Uri, VendorFault> {
    url.origin().ascii_serialization().parse().map_err(|error: http::uri::InvalidUri| unreachable(&error))
}

fn unreachable(error: &(dyn std::error::Error + 'static)) -> VendorFault {
    if let Some(refused) = refused_address(error) {
        return VendorFault::Address(refused);
    }
    VendorFault::Unreachable { reason: with_causes(error), sent: false }
}

/// An error's text with those of its causes.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(inner) = cause {
        texts.push(inner.to_string());
        cause = inner.source();
    }
    texts.join(": ")
}

/// DNS, and what it may say.
#[derive(Clone)]
struct GuardedNames(Guard);

impl Service<Name> for GuardedNames {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let guard = self.0.clone();
        Box::pin(async move { Ok(guard.resolve(name.as_str()).await?.into_iter()) })
    }
}
