//! The links of the documents.

use crate::repository::{files, none, root};

#[test]
fn relative_links_lead_to_files() {
    let mut dead = Vec::new();
    for (name, text) in files(&[".md"]) {
        let folder = root().join(&name).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')) {
            let target = link.0.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            if !folder.join(target).exists() {
                dead.push(format!("{name}: {target}"));
            }
        }
    }
    none("a relative link leads to a file", dead);
}
