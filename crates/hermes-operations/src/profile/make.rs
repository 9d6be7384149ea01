//! The steps that `create` and `import` share: a profile is made whole, gets a port, a key of its API and a gateway, or leaves nothing
//! behind.

use std::path::Path;

use hermes_core::config::dot_env;
use hermes_core::config::{self, Config, ConfigFileError, GatewayConfig, port_for};
use hermes_core::gateway::api_key;
use hermes_core::home::API_KEY;
use hermes_core::{ProfileDirectories, ProfileName};

use crate::operations::Operations;
use crate::report::{Report, ReportKind, occupied};

impl Operations {
    /// Makes the profile `name`; `fill` puts the content of the profile into the directory that it is given.
    ///
    /// # Errors
    /// The profile exists, a step failed, or its gateway cannot be registered. Then nothing of it is left.
    pub(super) fn make(
        &self,
        name: &ProfileName,
        fill: impl FnOnce(&Path) -> Result<(), Report>,
    ) -> Result<(), Report> {
        let (home, manager) = (self.home(), self.manager());
        let directories = ProfileDirectories::lock(home)?;
        self.must_be_free(name)?;
        let unfinished = directories.begin()?;
        fill(unfinished.path())?;
        self.give_port(&directories, name, unfinished.path())?;
        // An archive may hold one; a key opens one gateway alone.
        api_key::replace(&unfinished.path().join(API_KEY))?;
        if manager.supports_runtime_registration() && manager.list_profile_gateways()?.contains(name) {
            // The gateway of a profile of that name whose directory was removed by hand: it is nobody's.
            manager.unregister_profile_gateway(name)?;
        }
        unfinished.finish(name)?;
        // Registering waits for the service manager, and needs no lock of ours.
        drop(directories);
        if manager.supports_runtime_registration()
            && let Err(error) = manager.register_profile_gateway(name)
        {
            // As if nobody had asked for it. Whatever comes of that: the first failure is the one to tell.
            let _ = ProfileDirectories::lock(home).and_then(|directories| directories.remove(name));
            return Err(Report::from(error));
        }
        Ok(())
    }

    /// Checks that no profile has that name.
    ///
    /// # Errors
    /// There is a profile of that name, or something else in its place.
    pub(super) fn must_be_free(&self, name: &ProfileName) -> Result<(), Report> {
        if self.home().has_profile(name)? {
            return Err(Report::new(ReportKind::Conflict, format!("the profile '{name}' exists already"))
                .hint(format!("look at it: hermes profile show {name}")));
        }
        let directory = self.home().profile_directory(name);
        if directory.symlink_metadata().is_ok() { Err(occupied(&directory)) } else { Ok(()) }
    }

    /// Writes a port into the configuration in `directory`, unless it names one that no other profile holds. An imported configuration
    /// that is broken stays as it is: any copy can be put back, and its gateway names the fault.
    fn give_port(
        &self,
        directories: &ProfileDirectories<'_>,
        name: &ProfileName,
        directory: &Path,
    ) -> Result<(), Report> {
        let taken = directories.taken_ports()?;
        let path = directory.join("config.yaml");
        let (by_variable, by_file) = match self.ports(name, directory) {
            Ok(ports) => ports,
            Err(problem) => {
                self.progress().note(&format!(
                    "warning: its gateway will not start before this is corrected: {problem}"
                ));
                return Ok(());
            }
        };
        // The variable is above the file: a change of the file would change nothing.
        if let Some(port) = by_variable {
            if taken.contains(&port) {
                self.progress().note(&format!(
                    "warning: API_SERVER_PORT in .env is {port}, which another profile holds; change it there"
                ));
            }
            return Ok(());
        }
        if by_file.is_some_and(|port| !taken.contains(&port)) {
            return Ok(());
        }
        let Some(port) = port_for(name, &taken) else { return Ok(()) };
        config::change(&path, |config| config.set_gateway_port(port))?;
        // The lock beside it has no meaning under another name.
        let _ = std::fs::remove_file(directory.join("config.yaml.lock"));
        if let Some(had) = by_file {
            self.progress().note(&format!("the port {had} is another profile's; this one has {port}"));
        }
        Ok(())
    }

    /// Returns the ports that `.env` and `config.yaml` name; else the fault of one of them, without the temporary name of the directory.
    fn ports(&self, name: &ProfileName, directory: &Path) -> Result<(Option<u16>, Option<u16>), String> {
        let config = config::load(&directory.join("config.yaml")).map_err(|error| match error {
            ConfigFileError::Parse { source, .. } => format!("config.yaml, {source}"),
            error => format!("config.yaml: {error}"),
        })?;
        let variables = dot_env::load(&directory.join(".env")).map_err(|error| format!(".env: {error}"))?;
        let variables = variables.unwrap_or_default();
        for fault in &variables.faults {
            self.progress().note(&format!("warning: .env, {fault}"));
        }
        let variable = |wanted: &str| variables.get(wanted).map(str::to_owned);
        let resolve = |config: &Config, variable: &dyn Fn(&str) -> Option<String>| {
            let resolved = GatewayConfig::resolve(name, config, variable);
            resolved.map(|config| config.port).map_err(|error| error.to_string())
        };
        let by_variable = resolve(&Config::default(), &variable)?;
        Ok((by_variable, resolve(&config.unwrap_or_default(), &|_| None)?))
    }
}
