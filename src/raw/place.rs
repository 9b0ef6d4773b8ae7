//! Where something stands in the files that were read.

/// The number of a file in [`Faults`](super::fault::Faults), which holds its name and text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileId(pub usize);

/// A stretch of one line of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file.
    pub file: FileId,
    /// The line, from 1; 0 for the file as a whole, which shows no line.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// How many characters, at least 1.
    pub len: usize,
}

impl Place {
    /// The file as a whole, for what no line shows, such as a file that cannot be read.
    pub fn whole(file: FileId) -> Place {
        Place { file, line: 0, column: 0, len: 1 }
    }
}

/// Text as written in a file, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The text, with quotes and escapes resolved and the environment put in.
    pub text: String,
    /// Where it stands, quotes included.
    pub place: Place,
    /// The place of the first character of `text`, if the characters of `text` stand in the file one to one
    /// from there: on one line, without escapes and without anything from the environment.
    pub inside: Option<Place>,
}

impl Text {
    /// The place of `len` characters from character `at` of the text; the whole place where that is not known.
    pub fn part(&self, at: usize, len: usize) -> Place {
        match self.inside {
            Some(start) => Place { column: start.column.saturating_add(at), len: len.max(1), ..start },
            None => self.place,
        }
    }
}
