//! Reads a test function: its cases, the keys that it excludes other tests with, and the rules for both.

use proc_macro2::TokenStream;
use syn::ext::IdentExt as _;
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Expr, FnArg, Ident, ItemFn, Meta, Result, Token};

/// The key of a test that excludes every other test.
pub(crate) const MACHINE: &str = "machine";

/// A test function and the attributes of ours that it had.
pub(crate) struct Declaration {
    /// The function, without our attributes.
    pub(crate) function: ItemFn,
    /// Its cases; none for a function without parameters.
    pub(crate) cases: Vec<Case>,
    /// The keys of `#[serial(…)]`, in the order of the source.
    pub(crate) keys: Vec<Ident>,
}

/// One `#[case::name(values)]`.
pub(crate) struct Case {
    /// Its name in the list of tests.
    pub(crate) name: String,
    /// A value for each parameter.
    pub(crate) values: Vec<Expr>,
}

impl Declaration {
    /// Reads the function below `#[docker_test(arguments)]`.
    pub(crate) fn parse(arguments: TokenStream, mut function: ItemFn) -> Result<Self> {
        if !arguments.is_empty() {
            return Err(Error::new_spanned(
                arguments,
                "docker_test takes no arguments; write #[serial(key)] below it for a test that excludes others",
            ));
        }
        if function.sig.asyncness.is_none() {
            return Err(Error::new_spanned(function.sig.fn_token, "a docker_test is an `async fn`"));
        }
        let mut cases: Vec<Case> = Vec::new();
        let mut keys = Vec::new();
        for attribute in take(&mut function.attrs, |attribute| is_case(attribute) || is_serial(attribute)) {
            if is_serial(&attribute) {
                keys.extend(keys_of(&attribute)?);
                continue;
            }
            let case = Case::parse(&attribute, cases.len() + 1)?;
            if cases.iter().any(|other| other.name == case.name) {
                return Err(Error::new_spanned(&attribute, format!("two cases have the name {}", case.name)));
            }
            cases.push(case);
        }
        check_parameters(&mut function, &cases)?;
        Ok(Self { function, cases, keys })
    }

    /// Returns whether the test excludes every other test.
    pub(crate) fn needs_the_machine(&self) -> bool {
        self.keys.iter().any(|key| key == MACHINE)
    }
}

impl Case {
    fn parse(attribute: &Attribute, position: usize) -> Result<Self> {
        let name = match attribute.path().segments.iter().nth(1) {
            Some(name) => name.ident.unraw().to_string(),
            None => format!("case_{position}"),
        };
        let values = attribute.parse_args_with(Punctuated::<Expr, Token![,]>::parse_terminated)?;
        if attribute.path().segments.len() > 2 {
            return Err(Error::new_spanned(attribute.path(), "a case has one name: #[case::name(…)]"));
        }
        Ok(Self { name, values: values.into_iter().collect() })
    }
}

/// Takes `#[case]` off the parameters, and checks that each case has a value for each of them.
fn check_parameters(function: &mut ItemFn, cases: &[Case]) -> Result<()> {
    for parameter in &mut function.sig.inputs {
        let FnArg::Typed(typed) = parameter else {
            return Err(Error::new_spanned(parameter, "a docker_test is no method"));
        };
        let marks = take(&mut typed.attrs, is_case);
        if !matches!(&marks[..], [mark] if matches!(mark.meta, Meta::Path(_))) {
            return Err(Error::new_spanned(typed, "a parameter of a docker_test is marked `#[case]`"));
        }
    }
    let expected = function.sig.inputs.len();
    if cases.is_empty() && expected > 0 {
        return Err(Error::new_spanned(
            &function.sig.inputs,
            "a docker_test with parameters needs a `#[case(…)]`",
        ));
    }
    match cases.iter().find(|case| case.values.len() != expected || expected == 0) {
        Some(case) => Err(Error::new_spanned(
            &function.sig,
            format!("{} has {} values for {expected} parameters", case.name, case.values.len()),
        )),
        None => Ok(()),
    }
}

fn keys_of(attribute: &Attribute) -> Result<Vec<Ident>> {
    let hint = "name what the tests share: #[serial(key)]";
    let Meta::List(_) = &attribute.meta else { return Err(Error::new_spanned(attribute, hint)) };
    let keys = attribute.parse_args_with(Punctuated::<Ident, Token![,]>::parse_terminated)?;
    if keys.is_empty() {
        return Err(Error::new_spanned(attribute, hint));
    }
    Ok(keys.into_iter().collect())
}

fn is_case(attribute: &Attribute) -> bool {
    attribute.path().segments.first().is_some_and(|segment| segment.ident == "case")
}

fn is_serial(attribute: &Attribute) -> bool {
    attribute.path().is_ident("serial")
}

/// Removes and returns the attributes that `wanted` chooses.
fn take(attributes: &mut Vec<Attribute>, wanted: impl Fn(&Attribute) -> bool) -> Vec<Attribute> {
    let (taken, rest) = std::mem::take(attributes).into_iter().partition(wanted);
    *attributes = rest;
    taken
}

#[cfg(test)]
mod tests {
    use quote::quote;
    use syn::parse_quote;

    use super::*;

    fn error(function: ItemFn) -> String {
        Declaration::parse(TokenStream::new(), function).err().unwrap().to_string()
    }

    #[test]
    fn cases_without_a_name_are_numbered_by_their_place() {
        let declaration = Declaration::parse(
            TokenStream::new(),
            parse_quote! {
                #[case::first(1, "a")]
                #[case(2, "b")]
                async fn f(#[case] number: u32, #[case] text: &str) -> Result<()> {}
            },
        );
        let declaration = declaration.unwrap();
        let names: Vec<&str> = declaration.cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names, ["first", "case_2"]);
        assert!(declaration.function.attrs.is_empty());
    }

    #[test]
    fn other_attributes_stay_with_the_function() {
        let declaration = Declaration::parse(
            TokenStream::new(),
            parse_quote! {
                #[doc = "text"]
                #[serial(swarm, machine)]
                async fn f() -> Result<()> {}
            },
        );
        let declaration = declaration.unwrap();
        assert_eq!(declaration.function.attrs.len(), 1);
        assert_eq!(declaration.keys, ["swarm", "machine"]);
        assert!(declaration.needs_the_machine());
    }

    #[test]
    fn wrong_declarations_are_refused_with_the_reason() {
        let told = error(parse_quote! { fn f() {} });
        assert_eq!(told, "a docker_test is an `async fn`");
        let told = error(parse_quote! { async fn f(a: u8) {} });
        assert_eq!(told, "a parameter of a docker_test is marked `#[case]`");
        let told = error(parse_quote! { async fn f(#[case] a: u8) {} });
        assert_eq!(told, "a docker_test with parameters needs a `#[case(…)]`");
        let told = error(parse_quote! { #[case::x(1)] async fn f(#[case] a: u8, #[case] b: u8) {} });
        assert_eq!(told, "x has 1 values for 2 parameters");
        let told = error(parse_quote! { #[case::x(1)] #[case::x(2)] async fn f(#[case] a: u8) {} });
        assert_eq!(told, "two cases have the name x");
        let told = error(parse_quote! { #[case()] async fn f() {} });
        assert_eq!(told, "case_1 has 0 values for 0 parameters");
        let told = error(parse_quote! { #[serial] async fn f() {} });
        assert_eq!(told, "name what the tests share: #[serial(key)]");
    }

    #[test]
    fn arguments_of_the_attribute_itself_are_refused() {
        let refused = Declaration::parse(quote! { alone }, parse_quote! { async fn f() {} });
        assert!(refused.err().unwrap().to_string().contains("#[serial(key)]"));
    }
}
