//! The pod of `deploy/kubernetes/statefulset.yaml` as `docker run` would start it. All values come from the file.
//! A value that this module cannot reproduce is an error, and is never ignored.

use anyhow::{Context, Result, bail, ensure};
use bollard::models::{Mount, MountType, MountVolumeOptions};
use hermes_harness::{Container, ContainerBuilder, ExecRequest, Volume};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Container as PodContainer, PodSecurityContext, PodSpec, SecurityContext};

use super::SECRETS;
use super::kubernetes::{container, pod_spec, stateful_set};

/// The replacement for an `emptyDir` in memory.
#[derive(Clone, Copy, Debug)]
pub(super) enum EmptyDirs {
    /// A tmpfs: in memory, but new at each start.
    Tmpfs,
    /// A volume: its content outlives a restart of the container, as in a pod.
    Kept,
}

/// The running pod. Its volumes go after the container.
pub(super) struct Pod {
    pub(super) container: Container,
    pub(super) spec: PodContainer,
    user: String,
    _volumes: Vec<Volume>,
}

impl Pod {
    /// Starts the pod.
    pub(super) async fn start(empty_dirs: EmptyDirs) -> Result<Self> {
        let set = stateful_set()?;
        let spec = container(pod_spec(&set)?)?.clone();
        let (builder, volumes) = builder(&set, empty_dirs).await?;
        let user = user(pod_spec(&set)?)?;
        let container = builder.start().await?;
        Ok(Self { container, spec, user, _volumes: volumes })
    }

    /// Runs a command like `kubectl exec` or a probe: as the user of the pod.
    pub(super) fn exec<'c>(&'c self, command: &[String]) -> ExecRequest<'c> {
        self.container.exec(command).user(&self.user)
    }

    /// Runs a script in the same way.
    pub(super) fn sh(&self, script: &str) -> ExecRequest<'_> {
        self.container.exec_sh(script).user(&self.user)
    }
}

fn user(pod: &PodSpec) -> Result<String> {
    let context = pod.security_context.as_ref().context("the pod has a security context")?;
    let uid = context.run_as_user.context("it has a user")?;
    let gid = context.run_as_group.context("it has a group")?;
    Ok(format!("{uid}:{gid}"))
}

async fn builder(set: &StatefulSet, empty_dirs: EmptyDirs) -> Result<(ContainerBuilder, Vec<Volume>)> {
    let pod = pod_spec(set)?;
    let spec = container(pod)?;
    let name = set.metadata.name.as_deref().context("it has a name")?;
    // Kubernetes does not know the image's health check, and the builder leaves it out.
    let mut builder = Container::builder().hostname(format!("{name}-0"));
    ensure!(spec.image.as_deref() == Some("hermes:dev"), "not the image that is tested: {:?}", spec.image);
    ensure!(spec.working_dir.is_none() && spec.env_from.is_none() && spec.lifecycle.is_none());
    if let Some(command) = &spec.command {
        builder = builder.entrypoint(command);
    }
    builder = builder.cmd(spec.args.iter().flatten());
    for variable in spec.env.iter().flatten() {
        let value = variable.value.as_ref().with_context(|| format!("{} has no value", variable.name))?;
        builder = builder.env(&variable.name, value);
    }
    for port in spec.ports.iter().flatten() {
        builder = builder.publish(u16::try_from(port.container_port)?);
    }
    builder = with_rights(builder, pod)?;
    let fs_group = pod.security_context.as_ref().and_then(|context| context.fs_group).context("fsGroup")?;
    with_volumes(builder, set, u64::try_from(fs_group)?, empty_dirs).await
}

/// Applies users, groups, capabilities, and the rest of the two security contexts.
fn with_rights(builder: ContainerBuilder, pod: &PodSpec) -> Result<ContainerBuilder> {
    let context = pod.security_context.clone().context("the pod has a security context")?;
    let known = PodSecurityContext {
        run_as_non_root: context.run_as_non_root,
        run_as_user: context.run_as_user,
        run_as_group: context.run_as_group,
        fs_group: context.fs_group,
        // This is the kubelet's method. It does not change the result.
        fs_group_change_policy: context.fs_group_change_policy.clone(),
        seccomp_profile: context.seccomp_profile.clone(),
        ..PodSecurityContext::default()
    };
    ensure!(known == context, "not known how to reproduce: {context:?}");
    // Otherwise the kubelet refuses to start it.
    ensure!(context.run_as_non_root != Some(true) || context.run_as_user != Some(0), "root, and not root");
    let profile = context.seccomp_profile.map(|profile| profile.type_);
    // The engine applies its default profile unless told otherwise.
    ensure!(profile.as_deref() == Some("RuntimeDefault"), "not known how to reproduce: {profile:?}");
    let group = context.fs_group.context("fsGroup")?.to_string();
    let mut builder = builder.user(user(pod)?).group_add(&group);

    let context = container(pod)?.security_context.clone().context("the container has one, too")?;
    let known = SecurityContext {
        allow_privilege_escalation: context.allow_privilege_escalation,
        read_only_root_filesystem: context.read_only_root_filesystem,
        capabilities: context.capabilities.clone(),
        ..SecurityContext::default()
    };
    ensure!(known == context, "not known how to reproduce: {context:?}");
    if context.allow_privilege_escalation == Some(false) {
        builder = builder.security_opt("no-new-privileges");
    }
    if context.read_only_root_filesystem == Some(true) {
        builder = builder.read_only();
    }
    let capabilities = context.capabilities.unwrap_or_default();
    for capability in capabilities.drop.iter().flatten() {
        builder = builder.cap_drop(capability);
    }
    for capability in capabilities.add.iter().flatten() {
        builder = builder.cap_add(capability);
    }
    Ok(builder)
}

/// Adds the mounts, each with the content that the cluster would provide.
async fn with_volumes(
    mut builder: ContainerBuilder,
    set: &StatefulSet,
    group: u64,
    empty_dirs: EmptyDirs,
) -> Result<(ContainerBuilder, Vec<Volume>)> {
    let pod = pod_spec(set)?;
    let claims = set.spec.as_ref().and_then(|spec| spec.volume_claim_templates.as_ref());
    let is_claim =
        |name: &str| claims.into_iter().flatten().any(|claim| claim.metadata.name.as_deref() == Some(name));
    let mut volumes = Vec::new();
    // This container is never started. It only puts files into its volumes.
    let mut furnisher = Container::builder();
    for mount in container(pod)?.volume_mounts.iter().flatten() {
        let volume = pod.volumes.iter().flatten().find(|volume| volume.name == mount.name);
        let at = format!("/volumes/{}", mount.name);
        let fresh = if is_claim(&mount.name) {
            // A fresh file system, with its group as the kubelet sets it.
            furnisher = furnisher.directory(&at, 0o2775, (0, group)).directory(
                &format!("{at}/lost+found"),
                0o2770,
                (0, group),
            );
            Volume::new().await?
        } else if let Some(empty) = volume.and_then(|volume| volume.empty_dir.as_ref()) {
            ensure!(empty.medium.as_deref() == Some("Memory"), "not known how to reproduce: {empty:?}");
            let size =
                empty.size_limit.as_ref().and_then(|size| size.0.strip_suffix("Mi")).context("in Mi")?;
            if let EmptyDirs::Tmpfs = empty_dirs {
                let options = format!("exec,mode=2777,gid={group},size={size}m");
                builder = builder.tmpfs(&mount.mount_path, &options);
                continue;
            }
            furnisher = furnisher.directory(&at, 0o2777, (0, group));
            Volume::new().await?
        } else if let Some(secret) = volume.and_then(|volume| volume.secret.as_ref()) {
            let mode = u32::try_from(secret.default_mode.context("it has a mode")?)?;
            // The kubelet uses this layout, so that all files change at once.
            let data = format!("{at}/..2026_11_25_21_00_00.1");
            furnisher = furnisher
                .directory(&at, 0o2777, (0, group))
                .directory(&data, 0o2755, (0, group))
                .link(&format!("{at}/..data"), "..2026_11_25_21_00_00.1");
            for (name, content) in SECRETS {
                furnisher = furnisher
                    .owned_file(&format!("{data}/{name}"), mode, (0, group), content)
                    .link(&format!("{at}/{name}"), &format!("..data/{name}"));
            }
            Volume::new().await?
        } else {
            bail!("not known how to reproduce the volume {}", mount.name);
        };
        furnisher = furnisher.volume(&fresh, &at);
        builder = builder.mount(Mount {
            typ: Some(MountType::VOLUME),
            source: Some(fresh.name().to_owned()),
            target: Some(mount.mount_path.clone()),
            read_only: mount.read_only,
            // Docker fills an empty volume with the content of the image. Kubernetes does not.
            volume_options: Some(MountVolumeOptions { no_copy: Some(true), ..MountVolumeOptions::default() }),
            ..Mount::default()
        });
        volumes.push(fresh);
    }
    furnisher.create().await?.remove().await?;
    Ok((builder, volumes))
}
