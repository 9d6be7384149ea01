//! `#[docker_test]`: makes an async function a test of the container suites.

use proc_macro::TokenStream;
use quote::quote;
use syn::punctuated::Punctuated;
use syn::{Ident, ItemFn, Token, parse_macro_input};

/// Registers an `async fn name() -> Result<()>` with `hermes_harness::suite`.
///
/// `#[docker_test(alone)]` runs it while no other test of the process runs.
/// `#[docker_test]` leaves the function as it is, so that a suite can call it too.
#[proc_macro_attribute]
pub fn docker_test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let words = parse_macro_input!(arguments with Punctuated::<Ident, Token![,]>::parse_terminated);
    let function = parse_macro_input!(item as ItemFn);
    expand(&words, &function).unwrap_or_else(syn::Error::into_compile_error).into()
}

fn expand(words: &Punctuated<Ident, Token![,]>, function: &ItemFn) -> syn::Result<proc_macro2::TokenStream> {
    let mut alone = false;
    for word in words {
        if word != "alone" {
            return Err(syn::Error::new_spanned(word, "the only argument of docker_test is `alone`"));
        }
        alone = true;
    }
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        return Err(syn::Error::new_spanned(signature.fn_token, "a docker_test is an `async fn`"));
    }
    if let Some(argument) = signature.inputs.first() {
        return Err(syn::Error::new_spanned(argument, "a docker_test takes no arguments"));
    }
    let name = &signature.ident;
    let text = name.to_string();
    Ok(quote! {
        #function

        ::hermes_harness::suite::inventory::submit! {
            ::hermes_harness::suite::DockerTest::new(
                ::core::module_path!(),
                #text,
                ::core::file!(),
                #alone,
                || ::hermes_harness::suite::future_of(#name()),
            )
        }
    })
}
