//! `streamgauge kinds`: what can be written in a pipeline file, for a terminal.

use std::fmt::Write;

use super::{Entry, Section, sections};
use crate::raw::fault::did_you_mean;
use crate::raw::mapping::Key;

/// Every kind in a line of its own.
pub fn list() -> String {
    let mut text = String::new();
    for Section { title, place, entries, .. } in sections() {
        push(&mut text, format_args!("{title}, {}\n", place.replace('`', "")));
        for Entry { name, help, .. } in entries {
            push(&mut text, format_args!("  {name:<12} {help}\n"));
        }
        text.push('\n');
    }
    text + "`streamgauge kinds NAME` says everything about one of them.\n"
}

/// Everything about the kinds of this name.
///
/// # Errors
/// If there is none: what the name may have been meant to be.
pub fn about(name: &str) -> Result<String, String> {
    let sections = sections();
    let mut text = String::new();
    for section in &sections {
        for entry in section.entries.iter().filter(|entry| entry.name == name) {
            describe(section, entry, &mut text);
        }
    }
    if text.is_empty() {
        let names = sections.iter().flat_map(|section| &section.entries).map(|entry| entry.name);
        let near = did_you_mean(name, names).unwrap_or_else(|| "`streamgauge kinds` lists them".to_owned());
        return Err(format!("there is no kind `{name}`; {near}"));
    }
    Ok(text)
}

fn describe(section: &Section, entry: &Entry, text: &mut String) {
    let Entry { name, help, fields, example, .. } = entry;
    push(text, format_args!("{name}, a kind of {}\n  {help}\n", section.what));
    for (at, key) in section.all_keys(entry).enumerate() {
        push(text, format_args!("{}", if at == 0 { "\nOptions\n" } else { "" }));
        let Key { name, wanted, help, .. } = key;
        let need = match key.default {
            _ if key.required => "required".to_owned(),
            Some(default) => format!("without it: {default}"),
            None => "optional".to_owned(),
        };
        push(text, format_args!("  {name}: {wanted} ({need})\n      {help}\n"));
    }
    if !fields.is_empty() {
        push(text, format_args!("\nFields of its own: {}\n", fields.join(", ")));
    }
    push(text, format_args!("\nExample\n"));
    example.lines().for_each(|line| push(text, format_args!("  {line}\n")));
    text.push('\n');
}

fn push(text: &mut String, part: std::fmt::Arguments<'_>) {
    text.write_fmt(part).expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_listed_and_explained() {
        let list = list();
        for entry in sections().iter().flat_map(|section| &section.entries) {
            assert!(list.contains(&format!("  {:<12} {}\n", entry.name, entry.help)), "{}", entry.name);
            let about = about(entry.name).unwrap();
            assert!(about.contains(entry.help) && about.contains("\nExample\n  "), "{about}");
        }
    }

    #[test]
    fn options_are_told_with_what_they_want_and_what_holds_without_them() {
        let about = about("histogram").unwrap();
        for part in
            ["\n  value: an expression, such as `amount` (required)\n", "\n  labels: ", "(without it: [])"]
        {
            assert!(about.contains(part), "{about}");
        }
        assert_eq!(about.matches("\n  value: ").count(), 1, "{about}");
    }

    #[test]
    fn a_name_that_is_none_is_answered_with_one_that_is() {
        assert_eq!(about("histogrm").unwrap_err(), "there is no kind `histogrm`; did you mean `histogram`?");
        assert_eq!(about("").unwrap_err(), "there is no kind ``; `streamgauge kinds` lists them");
    }
}
