//! Writes the registration of a test, and of each of its cases.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::Expr;
use syn::ext::IdentExt as _;

use crate::declaration::{Declaration, MACHINE};

/// Returns the function and what registers it.
pub(crate) fn of(declaration: &Declaration) -> TokenStream {
    let function = &declaration.function;
    let name = function.sig.ident.unraw().to_string();
    let tests: TokenStream = match declaration.cases.as_slice() {
        [] => registration(declaration, &name, &[]),
        cases => cases
            .iter()
            .map(|case| registration(declaration, &format!("{name}::{}", case.name), &case.values))
            .collect(),
    };
    quote! { #function #tests }
}

/// Returns the item that registers one test.
///
/// `serial_test` guards a synchronous function around the whole test. So the thread waits for the keys before the
/// runner starts the clock, and an async body never holds a guard.
fn registration(declaration: &Declaration, name: &str, values: &[Expr]) -> TokenStream {
    let function = &declaration.function.sig.ident;
    let needs_the_machine = declaration.needs_the_machine();
    let machine = Ident::new(MACHINE, Span::call_site());
    let keys = &declaration.keys;
    let crate_path = quote! { crate = ::container_harness::suite::serial_test };
    let exclusion = if keys.is_empty() {
        TokenStream::new()
    } else {
        quote! { #[::container_harness::suite::serial_test::serial(#(#keys,)* #crate_path)] }
    };
    // The attribute that is expanded last is the outermost guard. All tests take `machine` first: no two of them can
    // hold a key and wait for each other's.
    let share = if needs_the_machine {
        TokenStream::new()
    } else {
        quote! { #[::container_harness::suite::serial_test::parallel(#machine, #crate_path)] }
    };
    // The values of a case are evaluated inside the inner function: its name must shadow no helper of a suite.
    quote! {
        const _: () = {
            #exclusion
            #share
            fn run_docker_test() -> ::core::result::Result<(), ::container_harness::suite::NotPassed> {
                ::container_harness::suite::run(
                    ::core::module_path!(),
                    #name,
                    ::core::file!(),
                    || ::container_harness::suite::future_of(#function(#(#values),*)),
                )
            }

            ::container_harness::suite::inventory::submit! {
                ::container_harness::suite::DockerTest::new(::core::module_path!(), #name, #needs_the_machine, run_docker_test)
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use syn::{ItemFn, parse_quote};

    use super::*;

    fn expanded(function: ItemFn) -> String {
        let declaration = Declaration::parse(TokenStream::new(), function).unwrap();
        of(&declaration).to_string()
    }

    #[test]
    fn each_case_calls_the_function_with_its_values() {
        let text = expanded(parse_quote! {
            #[case::one(1, "a")]
            #[case(2, "b")]
            async fn f(#[case] number: u32, #[case] text: &str) -> Result<()> { Ok(()) }
        });
        let one = text.find(r#"f (1 , "a")"#).unwrap();
        let two = text.find(r#"f (2 , "b")"#).unwrap();
        assert!(text[..one].contains(r#""f::one""#) && !text[..one].contains("case_2"), "{text}");
        assert!(text[one..two].contains(r#""f::case_2""#), "{text}");
        assert_eq!(text.matches("submit !").count(), 2, "{text}");
        assert!(text.starts_with("async fn f (number : u32 , text : & str)"), "{text}");
    }

    #[test]
    fn a_test_shares_the_machine_unless_it_asks_for_it() {
        let text = expanded(parse_quote! { #[serial(swarm)] async fn f() -> Result<()> { Ok(()) } });
        assert!(text.contains(":: serial (swarm ,"), "{text}");
        assert!(text.contains(":: parallel (machine ,"), "{text}");
        let text = expanded(parse_quote! { #[serial(machine)] async fn f() -> Result<()> { Ok(()) } });
        assert!(text.contains(":: serial (machine ,") && !text.contains("parallel"), "{text}");
    }
}
