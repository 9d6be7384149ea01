//! The git revision that goes into the image.

use std::path::Path;

/// The commit that is checked out, with `-dirty` when the work tree differs from it; `None` outside
/// of git. While one edits, the revision stays `…-dirty`, and the layer that holds it is kept.
pub(crate) async fn of(root: &Path) -> Option<String> {
    let git = |args: &'static [&'static str]| {
        let mut command = tokio::process::Command::new("git");
        command.arg("-C").arg(root).args(args);
        async move { command.output().await.ok().filter(|output| output.status.success()) }
    };
    let head = git(&["rev-parse", "HEAD"]).await?;
    let head = String::from_utf8(head.stdout).ok()?.trim().to_owned();
    let changes = git(&["status", "--porcelain"]).await?;
    Some(if changes.stdout.is_empty() { head } else { format!("{head}-dirty") })
}
