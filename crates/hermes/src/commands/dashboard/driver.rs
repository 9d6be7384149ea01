//! What the dashboard is given to look at agents and to drive them: the functions of the verbs.

use std::time::Duration;

use hermes_core::{Home, ProfileName};
use hermes_dashboard::{Agents, Failure, FailureKind, Finding, Gateway, Supervisor, Verb};
use hermes_service::Wait;

use crate::commands::doctor::{self, Severity};
use crate::commands::gateway::{restart, start, stop};
use crate::commands::profile::{create, delete};
use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::gateways;
use crate::ownership::Note;

/// How long a click waits for what comes of it: as the commands do.
const PATIENCE: Duration = Duration::from_secs(30);

/// The verbs, on one volume.
pub(super) struct Driver {
    home: Home,
}

impl Driver {
    pub(super) fn new(home: Home) -> Self {
        Self { home }
    }

    fn context(&self) -> Context {
        Context::at(self.home.clone())
    }
}

impl Agents for Driver {
    fn gateways(&self) -> Result<Vec<Gateway>, Failure> {
        let manager = self.context().service_manager().map_err(failure)?;
        let all = gateways::Gateway::all(&self.home, manager.as_ref()).map_err(failure)?;
        Ok(all.into_iter().map(gateway).collect())
    }

    fn drive(&self, profile: &ProfileName, verb: Verb) -> Result<(), Failure> {
        let context = self.context();
        let manager = context.service_manager().map_err(failure)?;
        let (manager, wait) = (manager.as_ref(), Wait::AtMost(PATIENCE));
        let done = match verb {
            Verb::Start => start::start(&context, manager, profile, wait),
            Verb::Stop => stop::stop(&context, manager, profile, wait),
            Verb::Restart => restart::restart(&context, manager, profile, wait),
        };
        done.map_err(failure)
    }

    fn create(&self, profile: &ProfileName) -> Result<(), Failure> {
        create::create(&self.context(), profile).map_err(|error| {
            let exists = self.home.has_profile(profile).unwrap_or(false);
            let failure = failure(error);
            if exists { Failure { kind: FailureKind::Conflict, ..failure } } else { failure }
        })
    }

    fn delete(&self, profile: &ProfileName) -> Result<(), Failure> {
        delete::delete(&self.context(), profile, || Ok(())).map(drop).map_err(failure)
    }

    fn findings(&self) -> Result<Vec<Finding>, Failure> {
        let findings = doctor::findings(&self.context()).map_err(failure)?;
        let finding = |finding: doctor::Finding| Finding {
            broken: finding.severity == Severity::Broken,
            what: finding.what,
            mend: finding.mend,
        };
        Ok(findings.into_iter().map(finding).collect())
    }

    fn supervisor(&self) -> Supervisor {
        let manager = self.context().service_manager();
        let name = manager.map_or_else(|error| error.what().to_owned(), |manager| manager.kind().to_string());
        let other = Note::read().and_then(|note| note.other);
        Supervisor { name, volume_belongs_to: other.map(|other| other.told()) }
    }
}

fn gateway(seen: gateways::Gateway) -> Gateway {
    Gateway {
        profile: seen.profile,
        desired_state: seen.desired_state.map(|state| state.to_string()),
        state: seen.state,
        ready: seen.ready,
        pid: seen.pid,
        for_seconds: seen.for_seconds,
        restarts: seen.restarts,
        restarted_seconds_ago: seen.restarted_seconds_ago,
        port: seen.port,
        problem: seen.problem,
    }
}

/// What a command would have printed.
fn failure(error: CommandError) -> Failure {
    let kind = match error.exit() {
        Exit::NoServiceManager => FailureKind::Unsupported,
        Exit::CannotWrite | Exit::NoPermission => FailureKind::CannotWrite,
        Exit::TryAgain => FailureKind::TryAgain,
        Exit::Failed | Exit::Configuration | Exit::CannotRun | Exit::NoSuchProgram => FailureKind::Failed,
    };
    Failure {
        kind,
        error: error.what().to_owned(),
        causes: error.causes().to_vec(),
        log: error.log_lines().to_vec(),
        hint: error.mend().map(str::to_owned),
    }
}
