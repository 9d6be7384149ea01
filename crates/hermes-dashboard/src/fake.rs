//! Agents that live in a folder and do what they are told: what the tests drive.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;

use hermes_core::{Home, ProfileName};
use hermes_service::Condition;

use crate::agents::{Agents, Failure, FailureKind, Finding, Gateway, Supervisor, Verb};

/// A gateway that is down.
pub(crate) fn gateway(profile: &str) -> Gateway {
    Gateway {
        profile: profile.to_owned(),
        desired_state: None,
        state: Condition::Stopped,
        ready: false,
        pid: None,
        for_seconds: Some(5),
        restarts: 0,
        restarted_seconds_ago: Vec::new(),
        port: Some(9300),
        problem: None,
    }
}

/// Agents in a folder.
pub(crate) struct FakeAgents {
    home: Home,
    pub(crate) gateways: Mutex<BTreeMap<String, Gateway>>,
    /// Every start fails with this.
    pub(crate) refuses: Mutex<Option<Failure>>,
    pub(crate) findings: Mutex<Vec<Finding>>,
}

impl FakeAgents {
    pub(crate) fn new(home: &Home) -> Self {
        let agents = Self {
            home: home.clone(),
            gateways: Mutex::default(),
            refuses: Mutex::default(),
            findings: Mutex::default(),
        };
        agents.gateways.lock().unwrap().insert("default".into(), gateway("default"));
        agents
    }

    /// Changes what is seen of a gateway.
    pub(crate) fn set(&self, gateway: Gateway) {
        self.gateways.lock().unwrap().insert(gateway.profile.clone(), gateway);
    }
}

impl Agents for FakeAgents {
    fn gateways(&self) -> Result<Vec<Gateway>, Failure> {
        let gateways = self.gateways.lock().unwrap();
        let mut all: Vec<_> = gateways.values().cloned().collect();
        all.sort_by_key(|gateway| (gateway.profile != "default", gateway.profile.clone()));
        Ok(all)
    }

    fn drive(&self, profile: &ProfileName, verb: Verb) -> Result<(), Failure> {
        if let Some(failure) = self.refuses.lock().unwrap().clone() {
            return Err(failure);
        }
        let mut gateways = self.gateways.lock().unwrap();
        let gateway = gateways.get_mut(profile.as_str()).unwrap();
        let runs = verb != Verb::Stop;
        gateway.state = if runs { Condition::Running } else { Condition::Stopped };
        gateway.desired_state = Some(if runs { "running" } else { "stopped" }.into());
        gateway.ready = runs;
        Ok(())
    }

    fn create(&self, profile: &ProfileName) -> Result<(), Failure> {
        let directory = self.home.profile_directory(profile);
        if directory.exists() {
            return Err(Failure::new(
                FailureKind::Conflict,
                format!("the profile '{profile}' exists already"),
            ));
        }
        fs::create_dir_all(&directory).unwrap();
        fs::write(self.home.soul(profile), "You are.\n").unwrap();
        self.set(gateway(profile.as_str()));
        Ok(())
    }

    fn delete(&self, profile: &ProfileName) -> Result<(), Failure> {
        fs::remove_dir_all(self.home.profile_directory(profile)).unwrap();
        self.gateways.lock().unwrap().remove(profile.as_str());
        Ok(())
    }

    fn findings(&self) -> Result<Vec<Finding>, Failure> {
        Ok(self.findings.lock().unwrap().clone())
    }

    fn supervisor(&self) -> Supervisor {
        Supervisor { name: "none".into(), volume_belongs_to: None }
    }
}
