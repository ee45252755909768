//! Who gets how many places: whoever has least under way goes first, so that a backlog delays its own owner alone.

use std::collections::HashMap;

use super::Limits;
use crate::store::work::Share;

/// At once in one claim.
const MOST: usize = 128;

/// What a process has under way.
#[derive(Debug, Default, Clone)]
pub(super) struct Counts {
    of_kind: HashMap<String, usize>,
    of_organization: HashMap<(String, i64), usize>,
    of_share: HashMap<Share, usize>,
    of_party: HashMap<(String, i64), usize>,
}

impl Counts {
    pub fn add(&mut self, share: &Share) {
        let of_organization = (share.kind.clone(), share.organization);
        let of_party = (share.kind.clone(), share.party);
        let counts = [
            self.of_kind.entry(share.kind.clone()).or_default(),
            self.of_organization.entry(of_organization).or_default(),
            self.of_share.entry(share.clone()).or_default(),
            self.of_party.entry(of_party).or_default(),
        ];
        counts.into_iter().for_each(|count| *count = count.saturating_add(1));
    }

    fn has_room(&self, share: &Share, limits: Limits) -> bool {
        let of_organization = self.of_organization.get(&(share.kind.clone(), share.organization));
        self.of_kind.get(&share.kind).is_none_or(|count| *count < limits.of_process)
            && of_organization.is_none_or(|count| *count < limits.of_organization)
            && self.of_share.get(share).is_none_or(|count| *count < limits.of_share)
            && self.of_party.get(&(share.kind.clone(), share.party)).is_none_or(|count| *count < limits.of_party)
    }

    /// Of the organization, and of the share.
    fn under_way(&self, share: &Share) -> (usize, usize) {
        let of_organization = self.of_organization.get(&(share.kind.clone(), share.organization));
        (of_organization.copied().unwrap_or_default(), self.of_share.get(share).copied().unwrap_or_default())
    }
}

/// How many of each share may begin. In turn, one for each.
pub(super) fn places(
    mut due: Vec<Share>,
    mut counts: Counts,
    limits_of: impl Fn(&Share) -> Option<Limits>,
) -> Vec<(Share, usize)> {
    due.sort_by_key(|share| counts.under_way(share));
    let mut waiting: Vec<_> = due.into_iter().filter_map(|share| Some((limits_of(&share)?, share, 0_usize))).collect();
    let (mut given, mut more) = (0_usize, true);
    while more {
        more = false;
        for (limits, share, count) in &mut waiting {
            if given < MOST && counts.has_room(share, *limits) {
                counts.add(share);
                (given, *count, more) = (given.saturating_add(1), count.saturating_add(1), true);
            }
        }
    }
    waiting.into_iter().filter(|(_, _, count)| *count > 0).map(|(_, share, count)| (share, count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits::of(10, 6, 4);

    fn share(organization: i64, party: i64) -> Share {
        Share { kind: "notice".to_owned(), organization, party }
    }

    fn given(due: &[(i64, i64)], counts: &Counts) -> Vec<(i64, i64, usize)> {
        let due = due.iter().map(|(organization, party)| share(*organization, *party)).collect();
        let places = places(due, counts.clone(), |_| Some(LIMITS));
        places.into_iter().map(|(share, count)| (share.organization, share.party, count)).collect()
    }

    #[test]
    fn a_receiver_an_organization_and_a_process_have_their_limits() {
        assert_eq!(given(&[(1, 1)], &Counts::default()), [(1, 1, 4)]);
        assert_eq!(given(&[(1, 1), (1, 2)], &Counts::default()), [(1, 1, 3), (1, 2, 3)]);
        let due = [(1, 1), (1, 2), (2, 1), (3, 1)];
        assert_eq!(given(&due, &Counts::default()), [(1, 1, 3), (1, 2, 3), (2, 1, 2), (3, 1, 2)]);
    }

    #[test]
    fn who_has_least_under_way_goes_first() {
        let mut counts = Counts::default();
        (0..9).for_each(|party| counts.add(&share(1 + party / 5, party)));
        assert_eq!(given(&[(1, 0), (2, 5), (3, 1)], &counts), [(3, 1, 1)], "the last place");
        counts.add(&share(3, 1));
        assert_eq!(given(&[(1, 0), (2, 5), (3, 1)], &counts), []);
    }

    #[test]
    fn a_party_of_many_organizations_has_a_limit_of_its_own() {
        let due = (1..5).map(|organization| share(organization, 7)).collect();
        let places = places(due, Counts::default(), |_| Some(Limits { of_party: 3, ..LIMITS }));
        assert_eq!(places.iter().map(|(_, count)| count).sum::<usize>(), 3);
    }

    #[test]
    fn what_nobody_here_knows_is_left_alone() {
        assert_eq!(places(vec![share(1, 1)], Counts::default(), |_| None), []);
    }
}
