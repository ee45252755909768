//! The id of a request. All work that it causes has it: detached tasks, and what a job does for it later. Every line of the
//! log asks the running task for it, so that whoever logs nothing pays nothing.

use std::fmt;
use std::future::Future;

use tokio::task::futures::TaskLocalFuture;

use super::entropy::{Entropy, public_bytes};

const LENGTH: usize = 12;
/// Characters of an id in text.
const DIGITS: usize = 2 * LENGTH;

tokio::task_local! {
    static CURRENT: Option<RequestId>;
}

/// Drawn, and no secret: a caller sees it in `Elements-Request-Id`, as 24 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId([u8; LENGTH]);

impl RequestId {
    pub fn draw(entropy: &dyn Entropy) -> Self {
        Self(public_bytes(entropy))
    }

    /// Of the request that the running task works for.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|id| *id).ok().flatten()
    }

    /// As it is written, at the beginning of a text.
    pub fn read(text: &str) -> Option<Self> {
        let mut bytes = [0; LENGTH];
        let mut digits = text.get(..DIGITS)?.chars().map(|digit| digit.to_digit(16));
        for byte in &mut bytes {
            let (high, low) = (digits.next()??, digits.next()??);
            *byte = u8::try_from(high << 4 | low).ok()?;
        }
        Some(Self(bytes))
    }

    /// Work for this request.
    pub fn scope<F: Future>(self, work: F) -> TaskLocalFuture<Option<Self>, F> {
        CURRENT.scope(Some(self), work)
    }

    /// The same of work that waits for nothing.
    pub fn scope_now<T>(self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(Some(self), work)
    }

    /// ASCII.
    pub fn digits(self) -> [u8; DIGITS] {
        let mut digits = [0; DIGITS];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            let both = [byte >> 4, byte & 15].map(|digit| if digit < 10 { b'0' + digit } else { b'a' - 10 + digit });
            pair.copy_from_slice(&both);
        }
        digits
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(std::str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

/// Work that is given to a task of its own goes on for the request of the one that gives it.
pub fn carried<F: Future>(work: F) -> TaskLocalFuture<Option<RequestId>, F> {
    CURRENT.scope(RequestId::current(), work)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::entropy::SystemEntropy;

    #[test]
    fn an_id_reads_as_it_is_written() {
        let id = RequestId([0, 1, 0x0f, 0x10, 0xa9, 0x9a, 0xff, 7, 8, 9, 10, 11]);
        assert_eq!(id.to_string(), "00010f10a99aff0708090a0b");
        assert_eq!(RequestId::read(&format!("{id}0000002a")), Some(id));
        for text in ["", "00010f10a99aff0708090a0", "00010f10a99aff0708090a0g", "+0010f10a99aff0708090a0b"] {
            assert_eq!(RequestId::read(text), None, "{text}");
        }
    }

    #[tokio::test]
    async fn work_has_the_id_of_the_request_that_it_is_for() {
        let (one, other) = (RequestId::draw(&SystemEntropy), RequestId::draw(&SystemEntropy));
        assert_eq!(RequestId::current(), None);
        let seen = one.scope(async {
            let spawned = tokio::spawn(carried(async { RequestId::current() })).await.unwrap();
            let inner = other.scope(async { RequestId::current() }).await;
            (RequestId::current(), spawned, inner, tokio::spawn(async { RequestId::current() }).await.unwrap())
        });
        assert_eq!(seen.await, (Some(one), Some(one), Some(other), None));
        assert_eq!(tokio::spawn(carried(async { RequestId::current() })).await.unwrap(), None);
    }
}
