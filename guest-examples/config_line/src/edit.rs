//! Finds the line that sets a key, and says how the file would read with another value. Touches no file.

/// A text with the line in it.
#[derive(Debug)]
pub(crate) struct Edit {
    /// The number of the line, from 1.
    pub(crate) line: usize,
    /// The line as it was, unless there was none.
    pub(crate) before: Option<String>,
    /// The line as it is to be.
    pub(crate) after: String,
    /// The whole text as it is to be.
    pub(crate) content: String,
}

/// More than one line sets the key, and which of them counts is for the reader of the file to say.
#[derive(Debug)]
pub(crate) struct Ambiguous {
    /// Their numbers, from 1.
    pub(crate) lines: Vec<usize>,
}

impl Edit {
    /// Replaces the line that sets `key`, or adds one at the end.
    ///
    /// A line that has the value already is left as it is, however it is spaced.
    pub(crate) fn plan(text: &str, key: &str, value: &str) -> Result<Self, Ambiguous> {
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let setting: Vec<(usize, &str)> = lines
            .iter()
            .enumerate()
            .filter_map(|(index, line)| Some((index, value_of(line, key)?)))
            .collect();
        let wanted = format!("{key} = {value}");
        match setting.as_slice() {
            [] => Ok(Self::append(text, lines.len(), wanted)),
            [(index, old)] => Ok(Self::replace(&lines, *index, wanted, *old == value.trim())),
            several => Err(Ambiguous {
                lines: several.iter().map(|(index, _)| index + 1).collect(),
            }),
        }
    }

    /// Whether the text is to be another.
    pub(crate) fn is_needed(&self) -> bool {
        self.before.as_ref() != Some(&self.after)
    }

    fn append(text: &str, lines: usize, wanted: String) -> Self {
        let ending = ending(text);
        let mut content = text.to_owned();
        if !content.is_empty() && !content.ends_with('\n') {
            content.push_str(ending);
        }
        content.push_str(&wanted);
        content.push_str(ending);
        Self {
            line: lines + 1,
            before: None,
            after: wanted,
            content,
        }
    }

    fn replace(lines: &[&str], wanted_at: usize, wanted: String, is_set: bool) -> Self {
        let mut content = String::new();
        let mut before = String::new();
        for (index, line) in lines.iter().enumerate() {
            let bare = line.trim_end_matches(['\r', '\n']);
            if index == wanted_at {
                before = bare.to_owned();
            }
            if index == wanted_at && !is_set {
                content.push_str(&wanted);
                content.push_str(line.strip_prefix(bare).unwrap_or_default());
            } else {
                content.push_str(line);
            }
        }
        Self {
            line: wanted_at + 1,
            after: if is_set { before.clone() } else { wanted },
            before: Some(before),
            content,
        }
    }
}

/// The value that a line gives to `key`; none if it is a comment, or about something else.
fn value_of<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let (name, value) = line.split_once('=')?;
    (name.trim() == key).then(|| value.trim())
}

/// How the lines of a text end.
fn ending(text: &str) -> &'static str {
    let first = text.split_inclusive('\n').next().unwrap_or_default();
    if first.ends_with("\r\n") {
        "\r\n"
    } else {
        "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::Edit;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let edit = Edit::plan(text, "port", "80").unwrap();
        assert_eq!(edit.content, expected);
        assert_eq!(edit.is_needed(), text != expected, "{edit:?}");
    }

    #[test]
    fn a_line_is_added_at_the_end() {
        check("", "port = 80\n");
        check("a = 1\n", "a = 1\nport = 80\n");
        check("a = 1", "a = 1\nport = 80\n");
        check("a = 1\r\n", "a = 1\r\nport = 80\r\n");
        check("# port = 80\n", "# port = 80\nport = 80\n");
    }

    #[test]
    fn a_line_is_replaced_where_it_stands() {
        check("port = 1\nb = 2\n", "port = 80\nb = 2\n");
        check("a = 1\n  port=8080", "a = 1\nport = 80");
        check("port = 1\r\nb = 2\r\n", "port = 80\r\nb = 2\r\n");
    }

    #[test]
    fn a_line_that_says_so_already_is_left() {
        for text in ["port = 80\n", "port=80", "a = 1\n port\t=  80 \r\n"] {
            check(text, text);
        }
    }

    #[test]
    fn two_lines_are_one_too_many() {
        let error = Edit::plan("port = 1\n\nport = 80\n", "port", "80").unwrap_err();
        assert_eq!(error.lines, [1, 3]);
    }
}
