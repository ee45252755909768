//! What an authorization under way is found by: it belongs to one state, and where it was begun in a browser to that one.

use serde::{Deserialize, Serialize};

use super::digest;
use crate::kernel::secret::Secret;

/// Digests of the state, and of the cookie of the browser that alone may end the authorization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundBy {
    state: String,
    #[serde(default)]
    browser: Option<String>,
}

impl FoundBy {
    pub fn of(state: &Secret, browser: Option<&Secret>) -> Self {
        Self { state: digest(state), browser: browser.map(digest) }
    }

    pub fn is_of_browser(&self, cookie: &Secret) -> bool {
        self.browser.as_deref() == Some(digest(cookie).as_str())
    }

    /// Whether it was begun with this state, and in this browser where it was begun in one.
    pub fn fits(&self, state: &Secret, browser: Option<&Secret>) -> bool {
        let same = self.browser.as_ref().is_none_or(|begun| browser.is_some_and(|cookie| digest(cookie) == *begun));
        same && self.state == digest(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_by_its_own_state_in_its_own_browser_alone() {
        let [state, browser, other] = ["state", "browser", "other"].map(Secret::new);
        let bound = FoundBy::of(&state, Some(&browser));
        assert!(bound.fits(&state, Some(&browser)));
        for (state, browser) in [(&other, Some(&browser)), (&state, Some(&other)), (&state, None)] {
            assert!(!bound.fits(state, browser));
        }
        let anywhere = FoundBy::of(&state, None);
        assert!(anywhere.fits(&state, None) && anywhere.fits(&state, Some(&browser)) && !anywhere.fits(&other, None));
    }
}
