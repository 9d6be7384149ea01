//! A look-up for tests: names whose addresses are scripted, and a count of look-ups.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use super::resolver::{Egress, Looked, Lookup};
use super::rules::Rules;

/// Names with the addresses of each look-up. The last ones repeat.
#[derive(Debug, Default)]
pub(crate) struct ScriptedNames {
    answers: Mutex<BTreeMap<String, Vec<&'static str>>>,
    looked_up: Mutex<Vec<String>>,
}

impl ScriptedNames {
    /// Creates names with one address for each look-up.
    pub(crate) fn new(names: &[(&str, &[&'static str])]) -> Arc<Self> {
        let answers =
            names.iter().map(|(name, addresses)| ((*name).to_owned(), addresses.to_vec())).collect();
        Arc::new(Self { answers: Mutex::new(answers), looked_up: Mutex::default() })
    }

    /// Returns the names that were looked up, in order.
    pub(crate) fn looked_up(&self) -> Vec<String> {
        self.looked_up.lock().unwrap().clone()
    }

    /// Creates the check that uses these names.
    pub(crate) fn egress(self: &Arc<Self>, allowed: &[&str]) -> Arc<Egress> {
        let rules = Rules::parse(allowed).unwrap();
        Arc::new(Egress::with_lookup(rules, Arc::clone(self) as Arc<dyn Lookup>))
    }
}

impl Lookup for ScriptedNames {
    fn lookup<'a>(&'a self, name: &'a str) -> Looked<'a> {
        self.looked_up.lock().unwrap().push(name.to_owned());
        let mut all = self.answers.lock().unwrap();
        let found =
            all.get_mut(name).map(|answers| if answers.len() > 1 { answers.remove(0) } else { answers[0] });
        let found = found.map(|address| vec![address.parse().unwrap()]);
        Box::pin(async move { found.ok_or_else(|| io::Error::other("no such name")) })
    }
}
