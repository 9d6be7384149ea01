//! Removes from the engine what a handle owned, from wherever the handle is dropped.
//!
//! `Drop` cannot await, and the test's own runtime may be the very thing that is unwinding. So removal happens on one
//! thread of its own, with its own runtime and connection, and whoever drops a handle waits for it.

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::{
    RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder, RemoveVolumeOptionsBuilder,
};
use tokio::sync::mpsc;

use crate::engine::connect;
use crate::error::{Error, Result, chain, status_of};

/// How long whoever drops a handle waits for the engine to remove the thing.
const PATIENCE: Duration = Duration::from_secs(60);

/// Something in the engine that nobody holds any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Doomed {
    Container(String),
    Volume(String),
    Network(String),
    Image(String),
    /// The swarm that the engine is in. `bridge`: with the network that it brought along.
    Swarm {
        bridge: bool,
    },
}

type Work = Box<dyn FnOnce(Docker) -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// Runs `work` on the cleanup thread and waits for it; `None` when there is no engine or it took too long.
///
/// Blocks the calling thread, whatever runtime that thread is in.
pub(crate) fn on_cleanup_thread<T, F, Fut>(patience: Duration, work: F) -> Option<T>
where
    T: Send + 'static,
    F: FnOnce(Docker) -> Fut + Send + 'static,
    Fut: Future<Output = T> + 'static,
{
    let (answer, answered) = std_mpsc::sync_channel(1);
    let work: Work = Box::new(move |docker| {
        Box::pin(async move {
            // The caller may have given up waiting.
            let _ = answer.send(work(docker).await);
        })
    });
    thread()?.send(work).ok()?;
    answered.recv_timeout(patience).ok()
}

fn thread() -> Option<&'static mpsc::UnboundedSender<Work>> {
    static THREAD: OnceLock<Option<mpsc::UnboundedSender<Work>>> = OnceLock::new();
    THREAD
        .get_or_init(|| {
            let (sender, receiver) = mpsc::unbounded_channel();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            std::thread::Builder::new()
                .name("harness-cleanup".to_owned())
                .spawn(move || tokio::task::LocalSet::new().block_on(&runtime, serve(receiver)))
                .ok()?;
            Some(sender)
        })
        .as_ref()
}

async fn serve(mut receiver: mpsc::UnboundedReceiver<Work>) {
    let mut connection: Option<Docker> = None;
    while let Some(work) = receiver.recv().await {
        let docker = match &connection {
            Some(docker) => docker.clone(),
            None => match connect().await {
                Ok(docker) => connection.insert(docker).clone(),
                // Dropping the work tells whoever waits that it was not done.
                Err(_) => continue,
            },
        };
        tokio::task::spawn_local(work(docker));
    }
}

/// Removes everything in the list, in its order, and waits until that is done. Says on stderr what could not be.
pub(crate) fn remove_now(doomed: Vec<Doomed>) {
    if doomed.is_empty() {
        return;
    }
    let names = format!("{doomed:?}");
    let done = on_cleanup_thread(PATIENCE, move |docker| async move {
        for thing in &doomed {
            if let Err(error) = remove(&docker, thing).await {
                eprintln!("harness: {}", chain(&error));
            }
        }
    });
    if done.is_none() {
        eprintln!("harness: not removed, the engine did not answer: {names}");
    }
}

/// Removes one thing; that it is gone already is as good.
pub(crate) async fn remove(docker: &Docker, doomed: &Doomed) -> Result<()> {
    let (result, operation) = match doomed {
        Doomed::Container(id) => {
            // With its anonymous volumes.
            let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
            (docker.remove_container(id, Some(options)).await, format!("remove container {id}"))
        }
        Doomed::Volume(name) => {
            let options = RemoveVolumeOptionsBuilder::new().build();
            (docker.remove_volume(name, Some(options)).await, format!("remove volume {name}"))
        }
        Doomed::Network(name) => (docker.remove_network(name).await, format!("remove network {name}")),
        Doomed::Image(id) => {
            let options = RemoveImageOptionsBuilder::new().force(true).build();
            (docker.remove_image(id, Some(options), None).await.map(drop), format!("remove image {id}"))
        }
        // It removes a network, in the same way.
        Doomed::Swarm { bridge } => return Box::pin(crate::swarm::leave(docker, *bridge)).await,
    };
    match result {
        Err(error) if status_of(&error) == Some(404) => Ok(()),
        Err(error) if status_of(&error) == Some(409) && error.to_string().contains("already in progress") => {
            Ok(())
        }
        other => other.map_err(Error::engine(operation)),
    }
}
