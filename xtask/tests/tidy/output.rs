//! The product prints through functions that survive a closed or full output.

use crate::repository::{files, none};

#[test]
fn the_product_prints_without_panicking() {
    let macros = ["println!(", "print!(", "eprintln!(", "eprint!(", "dbg!("];
    let prints = files(&[".rs"])
        .into_iter()
        .filter(|(name, _)| name.starts_with("crates/"))
        .filter(|(name, _)| !name.contains("/tests/") && !name.ends_with("tests.rs"))
        .flat_map(|(name, text)| {
            // Tests come last in a file.
            let product = text.split("#[cfg(test)]").next().unwrap_or_default();
            let found = product.lines().enumerate().filter(|(_, line)| {
                let code = line.split("//").next().unwrap_or_default();
                macros.iter().any(|name| {
                    code.match_indices(name).any(|(at, _)| {
                        !code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_')
                    })
                })
            });
            found.map(|(number, _)| format!("{name}:{}", number + 1)).collect::<Vec<_>>()
        })
        .collect();
    none(
        "println! and its like panic where the output is closed or full; hermes prints through output.rs",
        prints,
    );
}
