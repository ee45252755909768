//! Listeners: which routes each address serves. Without settings one serves all.

use std::net::SocketAddr;

use percent_encoding::percent_decode_str;

use super::urls;

/// Routes that belong together for who may reach them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// The API and the passthrough: for integrators.
    Api,
    /// For the operators of an organization.
    Console,
    /// What customers' browsers and vendors reach: callback, connect pages and their script.
    Public,
    /// Metrics and the API's document: for whoever runs the server.
    Admin,
}

pub const ALL: &[Group] = &[Group::Api, Group::Console, Group::Public, Group::Admin];

/// An address, and what is served there.
#[derive(Debug, Clone)]
pub struct Listener {
    pub name: &'static str,
    pub address: SocketAddr,
    pub groups: Vec<Group>,
}

/// By first segment. What is not here is the API's; health is asked everywhere.
const GROUPS: [(&str, Option<Group>); 8] = [
    ("console", Some(Group::Console)),
    ("connect", Some(Group::Public)),
    ("connector", Some(Group::Public)),
    ("metrics", Some(Group::Admin)),
    ("docs", Some(Group::Admin)),
    ("openapi.json", Some(Group::Admin)),
    ("openapi-3.0.json", Some(Group::Admin)),
    ("health", None),
];

/// All of them.
#[derive(Debug, Clone, Default)]
pub struct Listeners(Vec<Listener>);

impl Listeners {
    /// `main` serves what the others do not take away from it.
    pub fn new(main: SocketAddr, others: impl IntoIterator<Item = (&'static str, SocketAddr, Group)>) -> Self {
        let mut all = vec![Listener { name: "LIGAND_LISTEN", address: main, groups: ALL.to_vec() }];
        for (name, address, group) in others {
            for listener in &mut all {
                listener.groups.retain(|served| *served != group);
            }
            all.push(Listener { name, address, groups: vec![group] });
        }
        Self(all)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Listener> {
        self.0.iter()
    }

    /// The same with the addresses that the system gave, as where a port was 0.
    pub fn at(mut self, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        for (listener, address) in self.0.iter_mut().zip(addresses) {
            listener.address = address;
        }
        self
    }

    /// Whether the address that a request came in by serves its path, in its one form (`envelope::canonicalize`).
    pub fn serve(&self, address: SocketAddr, path: &str) -> bool {
        if self.0.len() < 2 {
            return true;
        }
        let listener = self.0.iter().find(|listener| listener.address == address);
        group_of(path).is_none_or(|group| listener.is_some_and(|listener| listener.groups.contains(&group)))
    }
}

/// Nothing: every listener serves it.
fn group_of(path: &str) -> Option<Group> {
    if path == urls::BASE || path.strip_prefix(urls::BASE).is_some_and(|rest| rest.starts_with('/')) {
        return Some(Group::Api);
    }
    let first = path.split('/').nth(1).unwrap_or_default();
    // Decoded, as the router reads it.
    let found = GROUPS.iter().find(|(segment, _)| percent_decode_str(first).eq(segment.bytes()));
    found.map_or(Some(Group::Api), |(_, group)| *group)
}
