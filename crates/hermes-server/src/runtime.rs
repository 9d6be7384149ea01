//! The runtime of a server: one thread waits for all sockets, timers and signals.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::runtime::Builder;

/// The number of threads for work that blocks.
const BLOCKING_THREADS_MAX: usize = 16;
/// The stack of such a thread, in bytes. Its work calls a few dozen functions deep.
const BLOCKING_THREAD_STACK: usize = 512 * 1024;
/// The time for which an idle thread is kept.
const BLOCKING_THREAD_KEEP_ALIVE: Duration = Duration::from_secs(2);

/// Runs `server` on this thread until it ends. Does not wait for work that blocks in other threads.
///
/// # Errors
/// The kernel refuses the descriptors of an event loop.
pub fn block_on<F: Future>(server: F) -> io::Result<F::Output> {
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_stack_size(BLOCKING_THREAD_STACK)
        .thread_keep_alive(BLOCKING_THREAD_KEEP_ALIVE)
        .build()?;
    let output = runtime.block_on(server);
    runtime.shutdown_background();
    Ok(output)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn work_that_blocks_does_not_delay_the_end() {
        let began = Instant::now();
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let output = block_on(async {
            drop(tokio::task::spawn_blocking(move || wait.recv_timeout(Duration::from_secs(20))));
            7
        });
        assert_eq!(output.unwrap(), 7);
        assert!(began.elapsed() < Duration::from_secs(10));
        drop(release);
    }
}
