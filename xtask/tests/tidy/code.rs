//! Rust code as tokens: the paths and the `use` items of non-test code.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::{ItemUse, UseTree};

/// A path as the code writes it: `crate::stop::run` is `["crate", "stop", "run"]`.
pub(crate) struct Mention {
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
}

/// One name that a `use` item brings in.
pub(crate) struct Use {
    pub(crate) path: Vec<String>,
    /// The name in this module. `None` stands for a glob.
    pub(crate) name: Option<String>,
    pub(crate) line: usize,
    /// Other modules can reach the name through this one.
    pub(crate) exported: bool,
}

/// The paths and the `use` items of a piece of code.
#[derive(Default)]
pub(crate) struct Code {
    pub(crate) mentions: Vec<Mention>,
    pub(crate) uses: Vec<Use>,
}

impl Code {
    /// Adds the paths of `tokens`, macro bodies included. Items under `#[cfg(test)]` are left out.
    pub(crate) fn add(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            at = self.add_one(&tokens, at);
        }
    }

    /// Adds the names that a `use` item brings in.
    pub(crate) fn add_use(&mut self, item: &ItemUse) {
        if item.leading_colon.is_some() {
            return;
        }
        let exported = !matches!(item.vis, syn::Visibility::Inherited);
        flatten(&item.tree, &[], &mut |path, ident, name| {
            // `pub(crate) use say;` only widens the scope of a macro of this module.
            if name.as_ref().is_none_or(|name| path != [name.clone()]) {
                self.uses.push(Use { path, name, line: ident.start().line, exported });
            }
        });
    }

    /// Adds the construct that begins at index `at`. Returns the index after it.
    fn add_one(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        match &tokens[at] {
            TokenTree::Group(group) => {
                if is_attribute(tokens, at) && is_for_tests(group) {
                    return end_of_item(tokens, at + 1);
                }
                self.add(group.stream());
                at + 1
            }
            TokenTree::Ident(ident) if *ident == "use" && !is_punct(tokens.get(at + 1), '<') => {
                let length = tokens[at..].iter().take_while(|token| !is_punct(Some(token), ';')).count();
                let end = (at + length + 1).min(tokens.len());
                if let Ok(item) = syn::parse2::<ItemUse>(tokens[at..end].iter().cloned().collect()) {
                    self.add_use(&item);
                }
                end
            }
            TokenTree::Ident(first) => {
                let mut path = vec![first.to_string()];
                let mut next = at + 1;
                while let (true, Some(TokenTree::Ident(segment))) =
                    (is_separator(tokens, next), tokens.get(next + 2))
                {
                    path.push(segment.to_string());
                    next += 3;
                }
                if begins_path(&tokens[..at]) {
                    self.mentions.push(Mention { path, line: first.span().start().line });
                }
                next
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => at + 1,
        }
    }
}

/// Calls `each` with path, span and local name of every leaf of a `use` tree.
fn flatten(
    tree: &UseTree,
    before: &[String],
    each: &mut impl FnMut(Vec<String>, proc_macro2::Span, Option<String>),
) {
    let joined = |ident: &syn::Ident| {
        let mut path = before.to_vec();
        if ident != "self" || path.is_empty() {
            path.push(ident.to_string());
        }
        path
    };
    match tree {
        UseTree::Path(path) => flatten(&path.tree, &joined(&path.ident), each),
        UseTree::Name(name) => {
            let path = joined(&name.ident);
            let local = path.last().cloned();
            each(path, name.ident.span(), local);
        }
        UseTree::Rename(rename) => {
            each(joined(&rename.ident), rename.ident.span(), Some(rename.rename.to_string()));
        }
        UseTree::Glob(glob) => each(before.to_vec(), glob.star_token.spans[0], None),
        UseTree::Group(group) => {
            for tree in &group.items {
                flatten(tree, before, each);
            }
        }
    }
}

/// Returns true if the attribute `[cfg(…)]` selects builds of tests.
pub(crate) fn is_for_tests(attribute: &Group) -> bool {
    let tokens: Vec<TokenTree> = attribute.stream().into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Ident(cfg), TokenTree::Group(condition)] => {
            *cfg == "cfg" && asks_for_tests(condition.stream())
        }
        _ => false,
    }
}

/// Returns true if a condition of `cfg` names `test` outside of `not(…)`.
pub(crate) fn asks_for_tests(condition: TokenStream) -> bool {
    let mut negated = false;
    condition.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => {
            negated = ident == "not";
            ident == "test"
        }
        TokenTree::Group(group) => !std::mem::take(&mut negated) && asks_for_tests(group.stream()),
        _ => false,
    })
}

/// Returns the index after the item (or field, or arm) that follows an attribute.
fn end_of_item(tokens: &[TokenTree], start: usize) -> usize {
    let ends = |token: &TokenTree| {
        is_punct(Some(token), ';')
            || is_punct(Some(token), ',')
            || matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
    };
    tokens[start..].iter().position(ends).map_or(tokens.len(), |length| start + length + 1)
}

/// Returns true if the group at `at` belongs to `#[…]` or `#![…]`.
pub(crate) fn is_attribute(tokens: &[TokenTree], at: usize) -> bool {
    let before = |distance: usize| at.checked_sub(distance).and_then(|index| tokens.get(index));
    matches!(&tokens[at], TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket)
        && (is_punct(before(1), '#') || is_punct(before(1), '!') && is_punct(before(2), '#'))
}

/// Returns true if an identifier after `before` begins a path: it is no field, no lifetime, no absolute path.
fn begins_path(before: &[TokenTree]) -> bool {
    let back = |distance: usize| before.len().checked_sub(distance).and_then(|index| before.get(index));
    let is_field = is_punct(back(1), '.') && !is_punct(back(2), '.');
    let is_absolute = is_punct(back(1), ':') && is_punct(back(2), ':');
    !is_field && !is_absolute && !is_punct(back(1), '\'')
}

/// Returns true if `::` stands at index `at`.
fn is_separator(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')
}

/// Returns true if the token is this punctuation mark.
fn is_punct(token: Option<&TokenTree>, mark: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == mark)
}
