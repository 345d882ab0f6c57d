//! A second reader of capability text: quoting by one table of states, kept apart from the first one on purpose.
//!
//! It is given only text that the first reader took, so what is malformed need not be told.

/// One word: its pieces in order, and whether any of it was quoted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Word {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) quoted: bool,
}

/// A character that stands for itself, or a placeholder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Piece {
    Letter(char),
    Hole(String),
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Quote {
    None,
    Single,
    Double,
}

impl Word {
    /// The word with `value` put in for each placeholder.
    pub(crate) fn filled(&self, value: &dyn Fn(&str) -> String) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Letter(letter) => letter.to_string(),
            Piece::Hole(name) => value(name),
        };
        self.pieces.iter().map(piece).collect()
    }

    /// Whether a placeholder stands in it.
    pub(crate) fn has_hole(&self) -> bool {
        self.pieces
            .iter()
            .any(|piece| matches!(piece, Piece::Hole(_)))
    }

    /// The placeholder with which it begins.
    pub(crate) fn first_hole(&self) -> Option<&str> {
        match self.pieces.first() {
            Some(Piece::Hole(name)) => Some(name),
            _ => None,
        }
    }

    /// The pieces between the places where `letter` stands.
    pub(crate) fn split(&self, letter: char) -> Vec<Self> {
        self.pieces
            .split(|piece| *piece == Piece::Letter(letter))
            .map(|pieces| Self {
                pieces: pieces.to_vec(),
                quoted: self.quoted,
            })
            .collect()
    }
}

/// The words of a text.
pub(crate) fn words(text: &str) -> Vec<Word> {
    let (mut words, mut word, mut quote) = (Vec::new(), None, Quote::None);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == ' ' && quote == Quote::None {
            words.extend(word.take());
            continue;
        }
        let open: &mut Word = word.get_or_insert_default();
        match (quote, letter) {
            (Quote::None, '\'') => (quote, open.quoted) = (Quote::Single, true),
            (Quote::None, '"') => (quote, open.quoted) = (Quote::Double, true),
            (Quote::Single, '\'') | (Quote::Double, '"') => quote = Quote::None,
            (_, '$') if letters.next_if_eq(&'{').is_some() => {
                let name = letters.by_ref().take_while(|letter| *letter != '}');
                open.pieces.push(Piece::Hole(name.collect()));
            }
            (Quote::None, '\\') => {
                open.quoted = true;
                open.pieces.extend(letters.next().map(Piece::Letter));
            }
            (Quote::Double, '\\') => {
                let next = letters.next_if(|next| "\"\\$`".contains(*next));
                open.pieces.push(Piece::Letter(next.unwrap_or('\\')));
            }
            _ => open.pieces.push(Piece::Letter(letter)),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_apart_as_a_shell_does() {
        let value = |name: &str| format!("<{name}>");
        let read = |text: &str| -> Vec<String> {
            words(text).iter().map(|word| word.filled(&value)).collect()
        };
        assert_eq!(read(r"a  'b c' d\ e"), ["a", "b c", "d e"]);
        assert_eq!(read(r#""${x} \" \n" ''"#), ["<x> \" \\n", ""]);
        assert_eq!(read("p${x}q'${y}'"), ["p<x>q<y>"]);
        assert!(words("'*'")[0].quoted && !words("*")[0].quoted);
    }
}
