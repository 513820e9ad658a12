//! `fixwire dictionary`: what is made of a data dictionary.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use fixwire::fix::dictionary::{self, Wanted, WantedTemplate, generate};

use super::failure::Failure;
use super::say;
use super::text_file::{self, Unreadable};

/// Make Rust of a data dictionary.
#[derive(Debug, Subcommand)]
pub(crate) enum DictionaryCommand {
    Generate(GenerateArgs),
}

/// Print typed messages and templates, for a strategy to include.
///
/// A message becomes a type with a getter for each of its fields: prices are decimals, times are times, a field with a list of
/// values is an enum, a repeating group is an iterator. A template becomes a type that writes messages which differ in the
/// values of a few fields. The same is done in a build script by `fixwire::fix::dictionary::generate`.
///
///   fixwire dictionary generate FIX44.xml --message ExecutionReport \
///     --template Order=NewOrderSingle:ClOrdID,OrderQty,Price,TransactTime > src/orders.rs
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct GenerateArgs {
    /// The dictionary, in QuickFIX's XML form.
    file: PathBuf,
    /// A message by its name in the dictionary. May be given several times.
    #[arg(long, value_name = "NAME")]
    message: Vec<String>,
    /// A template: the type it becomes, the message, and the fields that are put. May be given several times.
    #[arg(long, value_name = "TYPE=MESSAGE:FIELD,...", value_parser = template)]
    template: Vec<WantedTemplate>,
}

fn template(text: &str) -> Result<WantedTemplate, String> {
    let parts = text.split_once('=').and_then(|(name, rest)| {
        let (message, slots) = rest.split_once(':')?;
        Some((name, message, slots))
    });
    let Some((name, message, slots)) = parts else {
        return Err(
            "write TYPE=MESSAGE:FIELD,FIELD, such as Order=NewOrderSingle:ClOrdID,Price".into()
        );
    };
    let slots = slots.split(',').filter(|slot| !slot.is_empty()).map(String::from).collect();
    Ok(WantedTemplate { name: name.into(), message: message.into(), slots })
}

pub(crate) fn command(command: &DictionaryCommand) -> Result<(), Failure> {
    let DictionaryCommand::Generate(args) = command;
    if args.message.is_empty() && args.template.is_empty() {
        return Err(Failure::Input(
            "nothing is wanted of the dictionary; name a message: --message NewOrderSingle".into(),
        ));
    }
    let shown = args.file.display().to_string();
    let text = text_file::read_dictionary(&args.file).map_err(|Unreadable { why, remedy }| {
        Failure::Input(format!("the data dictionary {shown} cannot be read: {why}; {remedy}"))
    })?;
    let spec =
        dictionary::read_xml(&shown, &text).map_err(|error| Failure::Input(error.to_string()))?;
    let wanted = Wanted { messages: args.message.clone(), templates: args.template.clone() };
    let rust =
        generate(&spec, &wanted).map_err(|error| Failure::Input(format!("{shown}: {error}")))?;
    say(rust.trim_end());
    Ok(())
}
