//! The tree and the start order of each service.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};

use super::definition::{Definition, Kind};
use super::plan::{Plan, Plans};
use crate::message::Report;
use crate::tree::Tree;

/// The bundle of services that run as root.
const SYSTEM: &str = "system";
/// The bundle of services that run as the account.
const USER: &str = "user";

/// Names that s6-overlay gives to its own first steps. These steps end before any service starts, so a dependency on them is
/// always satisfied.
const ALWAYS_UP: [&str; 2] = ["base", "legacy-cont-init"];

/// All definitions, checked: each name exists, and there is no dependency cycle.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    definitions: BTreeMap<String, Definition>,
}

impl Graph {
    /// Reads every definition below a directory. Returns an empty graph if the directory is missing.
    pub(crate) fn load(directory: &Path) -> Result<Self> {
        let unreadable = || format!("failed to read {}", directory.display());
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error).with_context(unreadable),
        };
        let mut definitions = BTreeMap::new();
        for entry in entries {
            let path = entry.with_context(unreadable)?.path();
            if path.is_dir() && !path.file_name().unwrap_or_default().to_string_lossy().starts_with('.') {
                let definition = Definition::read(&path)?;
                definitions.insert(definition.name.clone(), definition);
            }
        }
        let graph = Self { definitions };
        graph.check_names()?;
        graph.in_order(graph.definitions.keys())?;
        Ok(graph)
    }

    /// Checks that every mentioned name exists.
    fn check_names(&self) -> Result<()> {
        for definition in self.definitions.values() {
            let mentioned =
                [("dependencies.d", &definition.dependencies), ("contents.d", &definition.contents)];
            for (folder, names) in mentioned {
                for name in names {
                    if !self.definitions.contains_key(name) && !ALWAYS_UP.contains(&name.as_str()) {
                        let file = definition.directory.join(folder).join(name);
                        return Err(Report::new(
                            format!("{} names a service that does not exist", file.display()),
                            format!("define {name:?} beside {:?}, or remove that file", definition.name),
                        )
                        .into());
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns the services of the container, for the tree that `/init` becomes.
    pub(crate) fn plans(&self, supervisor: Tree) -> Result<Plans> {
        match supervisor {
            Tree::Root => Ok(Plans { system: self.system()?, user: self.user()? }),
            Tree::User => Ok(Plans { system: Plan::default(), user: self.all()? }),
        }
    }

    /// Returns the services that run as root: all dependencies of the bundle `system`.
    fn system(&self) -> Result<Plan> {
        self.plan(&self.reachable(&[SYSTEM]))
    }

    /// Returns the services that run as the account: all dependencies of the bundle `user`, except those that run as root.
    fn user(&self) -> Result<Plan> {
        let system = self.reachable(&[SYSTEM]);
        self.plan(&self.reachable(&[USER]).difference(&system).cloned().collect())
    }

    /// Returns the services of both bundles, for a container without root.
    fn all(&self) -> Result<Plan> {
        self.plan(&self.reachable(&[SYSTEM, USER]))
    }

    fn plan(&self, names: &BTreeSet<String>) -> Result<Plan> {
        let mut plan = Plan::default();
        for definition in self.in_order(names)? {
            if definition.kind == Kind::Bundle || !names.contains(&definition.name) {
                continue;
            }
            let needs: BTreeSet<String> =
                self.direct_needs(definition).into_iter().filter(|name| names.contains(name)).collect();
            if !needs.is_empty() {
                plan.ordered.insert(definition.name.clone());
                plan.ordered.extend(needs.iter().cloned());
            }
            plan.needs.insert(definition.name.clone(), needs);
            plan.services.push(definition.clone());
        }
        Ok(plan)
    }

    /// Returns the direct dependencies of a definition. A bundle is replaced by its members.
    fn direct_needs(&self, definition: &Definition) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open: Vec<&String> = definition.dependencies.iter().collect();
        while let Some(name) = open.pop() {
            match self.definitions.get(name) {
                Some(bundle) if bundle.kind == Kind::Bundle => open.extend(&bundle.contents),
                Some(_) => {
                    found.insert(name.clone());
                }
                None => {}
            }
        }
        found
    }

    /// Returns the roots and everything that they contain or depend on.
    fn reachable(&self, roots: &[&str]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open: Vec<&str> = roots.to_vec();
        while let Some(name) = open.pop() {
            let Some(definition) = self.definitions.get(name) else { continue };
            if found.insert(name.to_owned()) {
                open.extend(definition.contents.iter().map(String::as_str));
                open.extend(definition.dependencies.iter().map(String::as_str));
            }
        }
        found
    }

    /// Sorts the definitions depth first, each after its dependencies. A cycle is an error that shows every step of it.
    fn in_order<'a>(&'a self, names: impl IntoIterator<Item = &'a String>) -> Result<Vec<&'a Definition>> {
        let mut order = Order { graph: self, done: BTreeSet::new(), way: Vec::new(), sorted: Vec::new() };
        names.into_iter().try_for_each(|name| order.visit(name))?;
        Ok(order.sorted)
    }
}

struct Order<'a> {
    graph: &'a Graph,
    done: BTreeSet<&'a str>,
    way: Vec<&'a str>,
    sorted: Vec<&'a Definition>,
}

impl<'a> Order<'a> {
    fn visit(&mut self, name: &'a str) -> Result<()> {
        let Some(definition) = self.graph.definitions.get(name) else { return Ok(()) };
        if self.done.contains(name) {
            return Ok(());
        }
        if let Some(begin) = self.way.iter().position(|&visited| visited == name) {
            let mut round = self.way[begin..].to_vec();
            round.push(name);
            return Err(Report::new(
                format!(
                    "{}: services wait for each other: {}",
                    definition.directory.display(),
                    round.join(" → ")
                ),
                "remove one of the files in dependencies.d that close the circle",
            )
            .into());
        }
        self.way.push(name);
        let needed = definition.dependencies.iter().chain(&definition.contents);
        needed.into_iter().try_for_each(|needed| self.visit(needed))?;
        self.way.pop();
        self.done.insert(name);
        self.sorted.push(definition);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;

    use super::*;

    struct Definitions(tempfile::TempDir);

    impl Definitions {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn add(self, name: &str, kind: &str, files: &[&str]) -> Self {
            let directory = self.0.path().join(name);
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("type"), format!("{kind}\n")).unwrap();
            let script = if kind == "longrun" { "run" } else { "up" };
            if kind != "bundle" {
                fs::write(directory.join(script), "#!/bin/sh\n").unwrap();
                fs::set_permissions(directory.join(script), fs::Permissions::from_mode(0o755)).unwrap();
            }
            for file in files {
                let path = directory.join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            }
            self
        }

        fn load(&self) -> Result<Graph> {
            Graph::load(self.0.path())
        }

        fn fault(&self) -> String {
            format!("{:#}", self.load().unwrap_err())
        }
    }

    fn names(plan: &Plan) -> Vec<&str> {
        plan.services.iter().map(|service| service.name.as_str()).collect()
    }

    #[test]
    fn services_start_after_their_dependencies_even_through_a_bundle() {
        let definitions = Definitions::new()
            .add("user", "bundle", &["contents.d/a-web"])
            .add("a-web", "longrun", &["dependencies.d/storage", "dependencies.d/base"])
            .add("storage", "bundle", &["contents.d/z-disk"])
            .add("z-disk", "oneshot", &[])
            .add("unused", "longrun", &[]);
        let plan = definitions.load().unwrap().user().unwrap();
        assert_eq!(names(&plan), ["z-disk", "a-web"]);
        assert_eq!(plan.needs["a-web"], BTreeSet::from(["z-disk".to_owned()]));
    }

    #[test]
    fn dependencies_of_a_system_service_run_as_root() {
        let definitions = Definitions::new()
            .add("user", "bundle", &["contents.d/agent", "contents.d/shared"])
            .add("system", "bundle", &["contents.d/daemon"])
            .add("daemon", "longrun", &["dependencies.d/shared"])
            .add("shared", "oneshot", &[])
            .add("agent", "longrun", &["dependencies.d/shared"]);
        let graph = definitions.load().unwrap();
        assert_eq!(names(&graph.system().unwrap()), ["shared", "daemon"]);
        assert_eq!(names(&graph.user().unwrap()), ["agent"]);
        assert_eq!(names(&graph.all().unwrap()), ["shared", "agent", "daemon"]);
        assert!(graph.user().unwrap().ordered.is_empty());
    }

    #[test]
    fn error_shows_every_step_of_a_cycle() {
        let definitions = Definitions::new()
            .add("a", "longrun", &["dependencies.d/b"])
            .add("b", "longrun", &["dependencies.d/c"])
            .add("c", "longrun", &["dependencies.d/a"]);
        let fault = definitions.fault();
        assert!(fault.contains("a → b → c → a"), "{fault}");
    }

    #[test]
    fn error_names_the_file_of_a_missing_dependency() {
        let fault = Definitions::new().add("a", "longrun", &["dependencies.d/ghost"]).fault();
        assert!(fault.contains("/a/dependencies.d/ghost names a service that does not exist"), "{fault}");
    }

    #[test]
    fn error_names_the_file_of_an_unknown_type() {
        let fault = Definitions::new().add("a", "daemon", &[]).fault();
        assert!(fault.contains("/a/type says \"daemon\""), "{fault}");
    }

    #[test]
    fn faulty_run_script_is_found_before_the_start() {
        let definitions = Definitions::new().add("a", "longrun", &[]);
        fs::write(definitions.0.path().join("a/run"), "#!/bin/sh\r\n").unwrap();
        let fault = definitions.fault();
        assert!(fault.contains("/a/run") && fault.contains("CRLF"), "{fault}");
    }

    /// Generates names, types and edges of a few services, including missing names and cycles.
    fn services() -> impl Strategy<Value = Vec<(String, Vec<String>)>> {
        let edge = "(dependencies|contents)\\.d/([a-e]|user|system|base|ghost)";
        let kind = prop_oneof![Just("longrun"), Just("oneshot"), Just("bundle"), Just("bundle")];
        let one = (kind.prop_map(str::to_owned), prop::collection::vec(edge, 0..3));
        prop::collection::vec(one, 0..7)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_definitions_are_refused_or_sorted(services in services()) {
            let mut definitions = Definitions::new();
            for ((kind, files), name) in services.iter().zip(["user", "system", "a", "b", "c", "d", "e"]) {
                definitions = definitions.add(name, kind, &files.iter().map(String::as_str).collect::<Vec<_>>());
            }
            let Ok(graph) = definitions.load() else { return Ok(()) };
            for plan in [graph.system().unwrap(), graph.user().unwrap(), graph.all().unwrap()] {
                let order = names(&plan);
                prop_assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), order.len());
                for (place, name) in order.iter().enumerate() {
                    for need in &plan.needs[*name] {
                        prop_assert!(order[..place].contains(&need.as_str()), "{name} before {need}");
                    }
                }
            }
            let (system, user) = (graph.system().unwrap(), graph.user().unwrap());
            let both = [names(&system), names(&user)].concat();
            let all = graph.all().unwrap();
            prop_assert_eq!(both.into_iter().collect::<BTreeSet<_>>(), names(&all).into_iter().collect());
        }

        #[test]
        fn any_bytes_in_a_definition_are_read_or_refused(
            kind in prop_oneof![prop::collection::vec(any::<u8>(), 0..20), Just(b"longrun\n".to_vec()), Just(b" oneshot".to_vec())],
            run in prop::collection::vec(any::<u8>(), 0..60), limit in prop::collection::vec(any::<u8>(), 0..20),
            milliseconds in any::<u64>(),
        ) {
            let definitions = Definitions::new().add("a", "longrun", &[]);
            let path = definitions.0.path().join("a");
            for (file, bytes) in [("type", &kind), ("run", &run), ("up", &run), ("timeout-up", &limit)] {
                fs::write(path.join(file), bytes).unwrap();
            }
            if let Ok(definition) = Definition::read(&path) {
                prop_assert!(["longrun", "oneshot", "bundle"].contains(&str::from_utf8(&kind).unwrap().trim()));
                let _ = definition.timeout("timeout-up");
                fs::write(path.join("timeout-up"), format!("{milliseconds}\n")).unwrap();
                let expected = (milliseconds > 0).then_some(milliseconds);
                prop_assert_eq!(definition.timeout("timeout-up").unwrap(), expected);
            }
        }
    }
}
