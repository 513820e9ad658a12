//! `fixwire profiles`: those that come with the engine, and what any of them comes to.

use clap::{Args, Subcommand};
use fixwire::offload::profile::{BUILT_IN, Merged, Setting, schema};
use serde_json::json;

use super::failure::Failure;
use super::{profile, say, table};

/// The profiles that come with the engine, and what any profile comes to.
#[derive(Debug, Subcommand)]
pub(crate) enum ProfilesCommand {
    List(ListArgs),
    Show(ShowArgs),
    /// Print the JSON Schema of a profile, by which editors complete and check one.
    Schema,
}

/// List the built-in profiles: name, what it is for, and the drivers it is meant for.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Print rows for machines.
    #[arg(long)]
    json: bool,
}

/// Show a profile whole, merged with those that it extends, and where each value comes from.
///
/// What is printed is a profile itself: it can be kept in a file, and read again.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// A built-in profile or a file.
    #[arg(value_name = "NAME|FILE")]
    name: String,
    /// Print rows for machines.
    #[arg(long)]
    json: bool,
}

pub(crate) fn command(command: &ProfilesCommand) -> Result<(), Failure> {
    match command {
        ProfilesCommand::List(args) => list(args),
        ProfilesCommand::Show(args) => show(args),
        ProfilesCommand::Schema => {
            say(format_args!("{:#}", schema::schema()));
            Ok(())
        }
    }
}

fn list(args: &ListArgs) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for (name, _) in BUILT_IN {
        let profile = profile::load(name)?;
        rows.push((*name, profile.about, profile.drivers));
    }
    if args.json {
        let rows = rows.iter().map(
            |(name, about, drivers)| json!({ "name": name, "about": about, "drivers": drivers }),
        );
        say(json!({ "profiles": rows.collect::<Vec<_>>() }));
        return Ok(());
    }
    let cells = rows.into_iter().map(|(name, about, drivers)| {
        let drivers = if drivers.is_empty() { "any".into() } else { drivers.join(", ") };
        vec![name.to_owned(), about, drivers]
    });
    say(table::texts(&["profile", "for", "drivers"], cells));
    Ok(())
}

fn show(args: &ShowArgs) -> Result<(), Failure> {
    let Merged { profile, settings } = profile::merged(&args.name)?;
    if args.json {
        let rows = settings.iter().map(|Setting { key, value, from, line }| {
            json!({ "key": key, "value": value, "from": from, "line": line })
        });
        say(json!({ "profile": profile.name, "settings": rows.collect::<Vec<_>>() }));
    } else {
        say(as_toml(&settings));
    }
    Ok(())
}

/// Settings as a profile's text, where each comes from behind it.
fn as_toml(settings: &[Setting]) -> String {
    let lines: Vec<(&str, String, &Setting)> = settings
        .iter()
        .map(|setting| {
            let (table, name) = setting.key.rsplit_once('.').unwrap_or(("", &setting.key));
            (table, format!("{name} = {}", setting.value), setting)
        })
        .collect();
    let width = lines.iter().map(|(_, line, _)| line.chars().count()).max().unwrap_or(0).min(44);
    let mut text = String::new();
    let mut table = "";
    for (of, line, Setting { from, line: number, .. }) in lines {
        if of != table {
            text += &format!("\n[{of}]\n");
            table = of;
        }
        text += &format!("{line:width$} # {from}:{number}\n");
    }
    text.pop();
    text
}
