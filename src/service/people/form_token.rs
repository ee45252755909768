//! What proves that a form is of a page that this browser was shown. `SameSite` is not enough: a neighbour's page is of the
//! same site.

use crate::kernel::entropy::hex_of;
use crate::kernel::secret::Secret;
use crate::service::Services;
use crate::vault::lookup::Purpose;

impl Services {
    /// `of`: a secret that the browser has in a cookie and other sites cannot know, and what else the form is bound to.
    pub fn form_token(&self, of: &Secret) -> String {
        hex_of(&self.lookup.hash(Purpose::Form, of))
    }

    pub fn is_form_token(&self, of: &Secret, sent: &str) -> bool {
        let sent = Secret::new(sent);
        self.lookup.hashes(Purpose::Form, of).iter().any(|hash| Secret::new(hex_of(hash)) == sent)
    }
}
