//! `deploy/kubernetes/` against the types of the Kubernetes API, and each file against the others.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use hermes_harness::docker_test;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Container, PodSpec, Probe, Secret, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::files::{AFTER_THE_SERVICES, is_secret};
use super::{folder, read};

/// Reads a file of `deploy/kubernetes/` as its type. Fails when the file has a field that the type does not know.
pub(super) fn typed<T: DeserializeOwned + Serialize>(file: &str) -> Result<T> {
    let file = format!("kubernetes/{file}");
    parse_strictly(&read(&file)?).with_context(|| format!("deploy/{file}"))
}

/// Parses a value, and compares it with its serialized form: serde ignores unknown fields, such as misspelt ones.
fn parse_strictly<T: DeserializeOwned + Serialize>(said: &Value) -> Result<T> {
    let typed: T = serde_json::from_value(said.clone())?;
    let mut lost = Vec::new();
    collect_lost(said, &serde_json::to_value(&typed)?, "", &mut lost);
    ensure!(lost.is_empty(), "Kubernetes does not know, or reads otherwise:\n  {}", lost.join("\n  "));
    Ok(typed)
}

/// Collects the values of `said` that `kept` lacks, by their paths.
fn collect_lost(said: &Value, kept: &Value, path: &str, lost: &mut Vec<String>) {
    match (said, kept) {
        (Value::Object(said), Value::Object(kept)) => {
            for (name, value) in said {
                match kept.get(name) {
                    Some(kept) => collect_lost(value, kept, &format!("{path}.{name}"), lost),
                    None => lost.push(format!("{path}.{name}: {value}")),
                }
            }
        }
        (Value::Array(said), Value::Array(kept)) if said.len() == kept.len() => {
            for (index, (said, kept)) in said.iter().zip(kept).enumerate() {
                collect_lost(said, kept, &format!("{path}[{index}]"), lost);
            }
        }
        _ if said == kept => {}
        _ => lost.push(format!("{path}: {said}, read as {kept}")),
    }
}

pub(super) fn stateful_set() -> Result<StatefulSet> {
    typed("statefulset.yaml")
}

pub(super) fn pod_spec(set: &StatefulSet) -> Result<&PodSpec> {
    set.spec.as_ref().and_then(|spec| spec.template.spec.as_ref()).context("it has a pod")
}

/// Returns the only container of the pod.
pub(super) fn container(pod: &PodSpec) -> Result<&Container> {
    match pod.containers.as_slice() {
        [container] if pod.init_containers.is_none() => Ok(container),
        others => bail!("not one container: {:?}", others.iter().map(|one| &one.name).collect::<Vec<_>>()),
    }
}

/// Returns the probes with their names.
pub(super) fn probes(container: &Container) -> Result<[(&'static str, &Probe); 3]> {
    Ok([
        ("startupProbe", container.startup_probe.as_ref().context("there is a startupProbe")?),
        ("readinessProbe", container.readiness_probe.as_ref().context("there is a readinessProbe")?),
        ("livenessProbe", container.liveness_probe.as_ref().context("there is a livenessProbe")?),
    ])
}

/// Returns the number of a port that is given by name or number.
pub(super) fn port_of(container: &Container, port: &IntOrString) -> Result<u16> {
    let ports = container.ports.iter().flatten();
    let number = match port {
        IntOrString::Int(number) => ports.map(|port| port.container_port).find(|known| known == number),
        IntOrString::String(name) => {
            ports.filter(|port| port.name.as_ref() == Some(name)).map(|port| port.container_port).next()
        }
    };
    let number =
        number.with_context(|| format!("the container has no port {port:?}: {:?}", container.ports))?;
    Ok(u16::try_from(number)?)
}

/// Returns the variables that have a value in the file.
pub(super) fn variables(container: &Container) -> BTreeMap<&str, &str> {
    let variables = container.env.iter().flatten();
    variables.filter_map(|variable| Some((&*variable.name, variable.value.as_deref()?))).collect()
}

#[docker_test]
async fn kubernetes_knows_every_field_of_every_file() -> Result<()> {
    let mut kinds = Vec::new();
    for entry in std::fs::read_dir(folder().join("kubernetes"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let kind = read(&format!("kubernetes/{name}"))?["kind"].as_str().context("it has a kind")?.to_owned();
        match &*kind {
            "StatefulSet" => drop(typed::<StatefulSet>(&name)?),
            "Service" => drop(typed::<Service>(&name)?),
            "NetworkPolicy" => drop(typed::<NetworkPolicy>(&name)?),
            "Secret" => drop(typed::<Secret>(&name)?),
            other => bail!("{name}: the suite knows no type for a {other}"),
        }
        kinds.push(kind);
    }
    kinds.sort();
    ensure!(kinds == ["NetworkPolicy", "Secret", "Service", "StatefulSet"], "there are {kinds:?}");
    Ok(())
}

#[docker_test]
async fn an_unknown_nested_field_is_found() -> Result<()> {
    let mut set = read("kubernetes/statefulset.yaml")?;
    let context = &mut set["spec"]["template"]["spec"]["containers"][0]["securityContext"];
    context["readOnlyRootFileSystem"] = context["readOnlyRootFilesystem"].take();
    let context = context.as_object_mut().context("a map")?;
    context.remove("readOnlyRootFilesystem");
    let error = parse_strictly::<StatefulSet>(&set).expect_err("it is misspelt").to_string();
    let path = ".spec.template.spec.containers[0].securityContext.readOnlyRootFileSystem: true";
    ensure!(error.ends_with(path), "{error}");
    Ok(())
}

#[docker_test]
async fn selectors_names_and_ports_of_the_kubernetes_files_match() -> Result<()> {
    let set = stateful_set()?;
    let spec = set.spec.as_ref().context("it has a spec")?;
    let labels = spec.template.metadata.as_ref().and_then(|meta| meta.labels.as_ref()).context("labels")?;
    let selects = |what: &str, selector: Option<&BTreeMap<String, String>>| {
        let selector = selector.filter(|selector| !selector.is_empty());
        let fits =
            selector.is_some_and(|all| all.iter().all(|(name, value)| labels.get(name) == Some(value)));
        ensure!(fits, "the {what} selects {selector:?}, the pod has {labels:?}");
        Ok(())
    };
    selects("StatefulSet", spec.selector.match_labels.as_ref())?;

    let service: Service = typed("service.yaml")?;
    ensure!(service.metadata.name == spec.service_name, "the Service is not {:?}", spec.service_name);
    let service = service.spec.context("it has a spec")?;
    selects("Service", service.selector.as_ref())?;
    ensure!(service.cluster_ip.as_deref() == Some("None"), "a StatefulSet's Service is headless");
    let container = container(pod_spec(&set)?)?;
    for port in service.ports.as_deref().context("it has ports")? {
        let target = port.target_port.as_ref().context("it has a target")?;
        // The name of a headless Service resolves to the pod, which has only its own ports.
        ensure!(i32::from(port_of(container, target)?) == port.port, "not the container's port: {port:?}");
    }

    let policy: NetworkPolicy = typed("networkpolicy.yaml")?;
    let policy = policy.spec.context("it has a spec")?;
    selects("NetworkPolicy", policy.pod_selector.and_then(|selector| selector.match_labels).as_ref())?;
    for port in policy.ingress.iter().flatten().flat_map(|rule| rule.ports.iter().flatten()) {
        port_of(container, port.port.as_ref().context("it has a port")?)?;
    }
    Ok(())
}

#[docker_test]
async fn mounts_and_volumes_of_the_pod_match() -> Result<()> {
    let set = stateful_set()?;
    let pod = pod_spec(&set)?;
    let claims = set.spec.as_ref().and_then(|spec| spec.volume_claim_templates.as_ref());
    let claims = claims.into_iter().flatten().filter_map(|claim| claim.metadata.name.as_deref());
    let volumes = pod.volumes.iter().flatten().map(|volume| &*volume.name);
    let mut volumes: Vec<&str> = claims.chain(volumes).collect();
    volumes.sort_unstable();
    let mounts = container(pod)?.volume_mounts.as_deref().unwrap_or_default();
    let mut mounted: Vec<&str> = mounts.iter().map(|mount| &*mount.name).collect();
    mounted.sort_unstable();
    ensure!(mounted == volumes, "mounts of {mounted:?}, volumes {volumes:?}");
    Ok(())
}

#[docker_test]
async fn the_pod_reads_its_secrets_from_files() -> Result<()> {
    let set = stateful_set()?;
    let pod = pod_spec(&set)?;
    let container = container(pod)?;
    let secret: Secret = typed("secret.example.yaml")?;
    let volume =
        pod.volumes.iter().flatten().find_map(|volume| Some((&volume.name, volume.secret.as_ref()?)));
    let (name, source) = volume.context("a volume has the Secret")?;
    ensure!(source.secret_name == secret.metadata.name, "the pod wants the Secret {:?}", source.secret_name);
    let mount = container.volume_mounts.iter().flatten().find(|mount| mount.name == *name);
    let directory = &mount.context("it is mounted")?.mount_path;
    let keys = secret.string_data.context("the example has keys")?;
    let mut expected: Vec<_> = keys.keys().map(|key| format!("{directory}/{key}")).collect();
    expected.sort();
    let mut paths = Vec::new();
    for (name, value) in variables(container).into_iter().filter(|(name, _)| is_secret(name)) {
        ensure!(name.ends_with("_FILE"), "{name} holds a secret; let {name}_FILE name a file");
        paths.push(value.to_owned());
    }
    paths.sort();
    ensure!(paths == expected, "the variables name {paths:?}, the Secret gives {expected:?}");
    Ok(())
}

#[docker_test]
async fn no_probe_checks_all_agents_and_the_grace_period_suffices() -> Result<()> {
    let set = stateful_set()?;
    let pod = pod_spec(&set)?;
    let container = container(pod)?;
    for (name, probe) in probes(container)? {
        if let Some(http) = &probe.http_get {
            port_of(container, &http.port).with_context(|| name)?;
        }
        let command = probe.exec.as_ref().and_then(|exec| exec.command.as_deref()).unwrap_or_default();
        let asks_all = command.iter().any(|word| word == "health");
        ensure!(!asks_all, "{name} is {command:?}: one agent's broken configuration would end all others");
    }
    let services: u64 = variables(container).get("S6_SERVICES_GRACETIME").context("it is set")?.parse()?;
    let whole = pod.termination_grace_period_seconds.context("it is set")?;
    let whole = 1000 * u64::try_from(whole)?;
    ensure!(services + AFTER_THE_SERVICES < whole, "{services} ms for the services, of {whole} ms");
    Ok(())
}

#[docker_test]
async fn the_pod_asks_for_no_unneeded_right() -> Result<()> {
    let set = stateful_set()?;
    let pod = pod_spec(&set)?;
    let container = container(pod)?;
    ensure!(pod.automount_service_account_token == Some(false), "the pod can talk to the cluster");
    ensure!(pod.enable_service_links == Some(false), "other Services set variables here");
    let of_host = [pod.host_network, pod.host_pid, pod.host_ipc];
    ensure!(!of_host.contains(&Some(true)), "the pod shares the node's network, PIDs or IPC: {of_host:?}");
    let of_pod = serde_json::to_value(pod.security_context.as_ref())?;
    let expected = serde_json::json!({
        "runAsNonRoot": true, "runAsUser": 10000, "runAsGroup": 10000, "fsGroup": 10000,
        "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": { "type": "RuntimeDefault" },
    });
    ensure!(of_pod == expected, "the pod's: {of_pod}\nexpected: {expected}");
    let of_container = serde_json::to_value(container.security_context.as_ref())?;
    let expected = serde_json::json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] },
    });
    ensure!(of_container == expected, "the container's: {of_container}\nexpected: {expected}");
    Ok(())
}
