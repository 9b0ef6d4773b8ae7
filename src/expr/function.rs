//! The functions of expressions: the table of their names and shapes.

use super::text::{Affix, Conversion};

/// What a function compiles to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Has,
    Matches,
    Affix(Affix),
    Convert(Conversion),
}

/// One function.
#[derive(Debug)]
pub(super) struct Function {
    /// Its name.
    pub(super) name: &'static str,
    /// How it is written.
    pub(super) usage: &'static str,
    /// Whether it may be written `text.name(…)`.
    pub(super) member: bool,
    /// Whether it may be written `name(…)`.
    pub(super) global: bool,
    /// How many values it takes, the text before the dot among them.
    pub(super) operands: usize,
    /// What it does.
    pub(super) meaning: Meaning,
}

impl Function {
    const fn member(name: &'static str, usage: &'static str, operands: usize, meaning: Meaning) -> Function {
        Function { name, usage, member: true, global: false, operands, meaning }
    }

    const fn global(name: &'static str, usage: &'static str, meaning: Meaning) -> Function {
        Function { name, usage, member: false, global: true, operands: 1, meaning }
    }

    const fn also_global(self) -> Function {
        Function { global: true, ..self }
    }

    /// The function of this name.
    pub(super) fn find(name: &str) -> Option<&'static Function> {
        FUNCTIONS.iter().find(|function| function.name == name)
    }
}

/// Every function there is.
pub(super) const FUNCTIONS: [Function; 11] = [
    Function::global("has", "has(field)", Meaning::Has),
    Function::member("size", "size(text)", 1, Meaning::Convert(Conversion::Size)).also_global(),
    Function::member("contains", "text.contains(part)", 2, Meaning::Affix(Affix::Contains)),
    Function::member("startsWith", "text.startsWith(part)", 2, Meaning::Affix(Affix::StartsWith)),
    Function::member("endsWith", "text.endsWith(part)", 2, Meaning::Affix(Affix::EndsWith)),
    Function::member("matches", "text.matches(\"regex\")", 2, Meaning::Matches).also_global(),
    Function::member("lowerAscii", "text.lowerAscii()", 1, Meaning::Convert(Conversion::LowerAscii)),
    Function::member("upperAscii", "text.upperAscii()", 1, Meaning::Convert(Conversion::UpperAscii)),
    Function::global("double", "double(value)", Meaning::Convert(Conversion::Double)),
    Function::global("int", "int(value)", Meaning::Convert(Conversion::Int)),
    Function::global("string", "string(value)", Meaning::Convert(Conversion::String)),
];

/// CEL's macros over lists, which no field can hold.
pub(super) const LIST_MACROS: [&str; 6] = ["all", "exists", "exists_one", "existsOne", "map", "filter"];
