//! Marks things in the engine with their maker: the labels of a run and its owner, and names that never collide.
//!
//! The reaper removes only things with these labels whose owner is dead. So two runs on one machine never touch each
//! other's containers.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::product::product;

/// The keys of the labels that the harness puts on everything that it makes for one product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelKeys {
    /// The run's ID: all processes of one run share it.
    pub run: String,
    /// The process that has to remove the thing: see [`Owner`].
    pub owner: String,
    /// The test that made the thing.
    pub test: String,
    /// Marks a thing that `PREFIX_KEEP=1` keeps: [`reap`](crate::reaper::reap) does not remove it,
    /// [`reap_all`](crate::reaper::reap_all) does.
    pub keep: String,
    /// The name of a derived image, so that no two of them share a layer.
    pub(crate) image: String,
    /// Marks a swarm that brought its bridge along.
    pub(crate) bridge: String,
}

impl LabelKeys {
    /// Returns the keys of a product with this name.
    pub fn of(product: &str) -> Self {
        let key = |name: &str| format!("{product}.harness.{name}");
        Self {
            run: key("run"),
            owner: key("owner"),
            test: key("test"),
            keep: key("keep"),
            image: key("image"),
            bridge: key("bridge"),
        }
    }
}

/// Returns the keys of this process's product.
pub fn label_keys() -> &'static LabelKeys {
    static KEYS: OnceLock<LabelKeys> = OnceLock::new();
    KEYS.get_or_init(|| LabelKeys::of(product().name))
}

/// Returns whether `PREFIX_KEEP=1` asks to keep what tests make.
pub fn keep_is_on() -> bool {
    product().setting("KEEP").is_some_and(|value| matches!(value.as_str(), "1" | "true" | "yes"))
}

/// Says on stderr that a thing is kept, and how to enter or remove it.
pub(crate) fn say_kept(text: &str) {
    eprintln!("{}: {text}", product().variable("KEEP"));
}

/// This run's ID: `NEXTEST_RUN_ID` when nextest starts each test in a process of its own, else one made up here.
pub fn run_id() -> &'static str {
    static RUN: OnceLock<String> = OnceLock::new();
    RUN.get_or_init(|| {
        std::env::var("NEXTEST_RUN_ID").ok().filter(|id| !id.is_empty()).unwrap_or_else(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            format!("{:x}-{:x}", since.as_micros(), std::process::id())
        })
    })
}

/// A process, so named that no other process ever has the same name.
///
/// As a label: `<kernel boot id>:<pid>:<start ticks>:<pid namespace>`. The start time tells a process from a later one
/// with the same PID; the namespace tells two machines-in-a-container that share one engine apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// Process ID.
    pub pid: u32,
    /// Field 22 of `/proc/<pid>/stat`: start time in ticks since boot.
    pub start_ticks: u64,
    /// Inode of `/proc/self/ns/pid`, empty where there is none.
    pub namespace: String,
}

impl Owner {
    /// This process.
    pub fn this_process() -> &'static Owner {
        static OWNER: OnceLock<Owner> = OnceLock::new();
        OWNER.get_or_init(|| {
            let pid = std::process::id();
            let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
            let namespace = std::fs::read_link("/proc/self/ns/pid")
                .map(|link| link.to_string_lossy().chars().filter(char::is_ascii_digit).collect())
                .unwrap_or_default();
            Owner {
                boot_id: boot_id.trim().to_owned(),
                pid,
                start_ticks: start_ticks_of(pid).unwrap_or(0),
                namespace,
            }
        })
    }

    /// Reads a label; `None` when it is no owner.
    pub fn parse(label: &str) -> Option<Owner> {
        let mut parts = label.split(':');
        let owner = Owner {
            boot_id: parts.next()?.to_owned(),
            pid: parts.next()?.parse().ok()?,
            start_ticks: parts.next()?.parse().ok()?,
            namespace: parts.next().unwrap_or_default().to_owned(),
        };
        parts.next().is_none().then_some(owner)
    }

    /// Returns whether the owner is known to have ended. A process that cannot be seen from here (another kernel behind a
    /// remote engine, another PID namespace) is not known to.
    pub fn is_dead(&self, engine_is_local: bool) -> bool {
        self.is_dead_beside(Owner::this_process(), engine_is_local, start_ticks_of)
    }

    fn is_dead_beside(
        &self,
        observer: &Owner,
        engine_is_local: bool,
        ticks_of: impl Fn(u32) -> Option<u64>,
    ) -> bool {
        if self.boot_id != observer.boot_id {
            // With the engine on this machine another boot ID is an earlier boot of it.
            return engine_is_local && !observer.boot_id.is_empty();
        }
        if self.namespace != observer.namespace {
            return false;
        }
        ticks_of(self.pid) != Some(self.start_ticks)
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}:{}", self.boot_id, self.pid, self.start_ticks, self.namespace)
    }
}

fn start_ticks_of(pid: u32) -> Option<u64> {
    start_ticks(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Reads field 22 of a `/proc/<pid>/stat` line (proc(5)): the command name in field 2 may hold spaces and parentheses.
pub fn start_ticks(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Returns the labels of the things that `test` makes.
pub fn labels(test: &str) -> HashMap<String, String> {
    let keys = label_keys();
    let mut labels = HashMap::from([
        (keys.run.clone(), run_id().to_owned()),
        (keys.owner.clone(), Owner::this_process().to_string()),
        (keys.test.clone(), test.to_owned()),
    ]);
    if keep_is_on() {
        labels.insert(keys.keep.clone(), "1".to_owned());
    }
    labels
}

/// Returns a name that nothing else in the engine has: product, purpose, process, and a count.
///
/// Two processes with one PID (in two containers, or one after the other) differ in their start ticks.
pub fn unique_name(purpose: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let owner = Owner::this_process();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    name_from(product().name, purpose, owner, count)
}

fn name_from(product: &str, purpose: &str, owner: &Owner, count: u64) -> String {
    let mut purpose: String = purpose
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect();
    while purpose.contains("--") {
        purpose = purpose.replace("--", "-");
    }
    purpose.truncate(40);
    let purpose = purpose.trim_matches('-');
    let namespace = owner.namespace.parse::<u64>().unwrap_or(0);
    format!(
        "{product}-test-{purpose}-{:x}-{:x}-{:x}-{count}",
        owner.start_ticks,
        owner.pid,
        namespace & 0xffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(pid: u32, start_ticks: u64) -> Owner {
        Owner { boot_id: "b".into(), pid, start_ticks, namespace: "4026".into() }
    }

    #[test]
    fn an_owner_survives_the_way_through_a_label() {
        let this = Owner::this_process();
        assert_eq!(Owner::parse(&this.to_string()).as_ref(), Some(this));
        assert!(!this.is_dead(true));
    }

    #[test]
    fn the_short_form_of_a_label_is_understood() {
        let parsed = Owner::parse("b:7:99").unwrap();
        assert_eq!((parsed.pid, parsed.start_ticks, parsed.namespace.as_str()), (7, 99, ""));
    }

    #[test]
    fn what_is_no_owner_is_refused() {
        for label in ["", "b", "b:x:1", "b:1:y", "b:1:2:3:4"] {
            assert_eq!(Owner::parse(label), None, "{label}");
        }
    }

    #[test]
    fn a_process_that_is_gone_is_dead_and_so_is_one_whose_pid_was_taken_over() {
        let observer = owner(1, 1);
        assert!(owner(7, 99).is_dead_beside(&observer, true, |_| None));
        assert!(owner(7, 99).is_dead_beside(&observer, true, |_| Some(100)));
        assert!(!owner(7, 99).is_dead_beside(&observer, true, |_| Some(99)));
    }

    #[test]
    fn what_cannot_be_seen_from_here_is_not_known_to_be_dead() {
        let observer = owner(1, 1);
        let elsewhere = Owner { namespace: "5".into(), ..owner(7, 99) };
        assert!(!elsewhere.is_dead_beside(&observer, true, |_| None));
        let other_kernel = Owner { boot_id: "c".into(), ..owner(7, 99) };
        assert!(!other_kernel.is_dead_beside(&observer, false, |_| None));
        assert!(other_kernel.is_dead_beside(&observer, true, |_| None));
    }

    #[test]
    fn start_ticks_stand_behind_a_command_name_with_parentheses() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 9 9";
        assert_eq!(start_ticks(stat), Some(4242));
        assert_eq!(start_ticks("7 (a"), None);
    }

    #[test]
    fn names_are_fit_for_the_engine_and_never_the_same() {
        let name = name_from("shop", "signals::a Command, (that) ignores", &owner(16, 255), 3);
        assert_eq!(name, "shop-test-signals-a-command-that-ignores-ff-10-fba-3");
        assert_ne!(name, name_from("shop", "signals::a Command, (that) ignores", &owner(16, 255), 4));
        assert!(name_from("shop", &"x".repeat(300), &owner(1, 1), 0).len() < 100);
    }
}
