//! What lies in this process's memory: keys and tokens, which must not get to a disk or into another process.

use rustix::process::{Resource, Rlimit, setrlimit};

/// No core dump, and no other process of the same user may attach or read the memory. Before the first secret is read; where
/// the system refuses, the server runs all the same.
pub fn keep_to_ourselves() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_system_writes_no_core_and_lets_nobody_attach() {
        use rustix::process::{DumpableBehavior, dumpable_behavior, getrlimit};
        keep_to_ourselves();
        assert_eq!(dumpable_behavior(), Ok(DumpableBehavior::NotDumpable));
        assert_eq!(getrlimit(Resource::Core).current, Some(0));
    }
}
