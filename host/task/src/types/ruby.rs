//! Translates a pattern from Ruby's syntax (Onigmo) to that of the `regex` crate.
//!
//! What cannot be matched in linear time, or has no equal, is refused by name: lookaround, backreferences,
//! atomic and possessive matching, absence, conditionals, `\G`, `\K`, `\R`, `\X`, bytes above 7F.
//!
//! Three things mean something else than in Ruby, on purpose:
//! * `^` and `$` are the start and the end of the whole value, where Ruby stops at every line. A check such
//!   as `/^[a-z]+$/` would otherwise accept `ok`, a newline and whatever follows.
//! * `\Z` is the end of the value, where Ruby would let a newline follow.
//! * `(?i)` folds single characters only, and in a bracket expression of ASCII members ASCII letters only: `[a-z]`
//!   then takes neither the Kelvin sign nor the long s.
//!
//! The rest is Ruby's: `.` leaves out the newline, `\d \w \s \h` are ASCII, POSIX brackets and `\b` are
//! Unicode, `(?m)` lets `.` match a newline, `(?i)` without a colon reaches over the following `|`.

mod brackets;
mod escape;

use super::error::PatternError;
use brackets::Bracket;

/// How deeply groups may be nested, and how deeply bracket expressions.
const NESTING_MAX: usize = 64;
/// The highest bound of `{n,m}`, as in Ruby.
const REPEAT_MAX: u32 = 100_000;

/// Translates a pattern; the result is searched for, not anchored.
pub(super) fn translate(source: &str) -> Result<String, PatternError> {
    let chars = source.char_indices().collect();
    let mut translator = Translator {
        chars,
        position: 0,
        length: source.len(),
        out: String::with_capacity(source.len() + 16),
        groups: vec![Group::default()],
        bracket: Bracket::default(),
    };
    translator.run()?;
    Ok(translator.out)
}

/// An open group.
#[derive(Clone, Copy, Debug, Default)]
struct Group {
    /// Groups that were opened by `(?i)` inside it and end where it ends.
    inner: usize,
    options: Options,
}

/// What `(?ix)` switches on or off, as far as the translation itself depends on it.
#[derive(Clone, Copy, Debug, Default)]
struct Options {
    /// Whether blanks and comments are ignored.
    extended: bool,
    ignore_case: bool,
}

/// A character, or a set written as a bracket expression.
enum Member {
    Char(char),
    Set(String),
}

struct Translator {
    chars: Vec<(usize, char)>,
    position: usize,
    length: usize,
    out: String,
    groups: Vec<Group>,
    bracket: Bracket,
}

impl Translator {
    fn run(&mut self) -> Result<(), PatternError> {
        while let Some(c) = self.next() {
            match c {
                '\\' => self.escape()?,
                '[' => self.brackets()?,
                '(' => self.open()?,
                ')' => self.close()?,
                '^' => self.out.push_str("\\A"),
                '$' => self.out.push_str("\\z"),
                '.' | '|' => self.out.push(c),
                '*' | '+' | '?' => self.repeat(c)?,
                '{' => self.interval()?,
                '#' if self.options_here().extended => {
                    while self.next().is_some_and(|c| c != '\n') {}
                }
                blank if self.options_here().extended && blank.is_ascii_whitespace() => {}
                other => push_literal(&mut self.out, other),
            }
        }
        if self.groups.len() > 1 {
            return Err(self.malformed("a group without its `)`"));
        }
        self.close_inner();
        Ok(())
    }

    fn peek(&self) -> Option<char> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.position + ahead).map(|&(_, c)| c)
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.position += 1;
        Some(next)
    }

    fn take(&mut self, text: &str) -> bool {
        let found = text
            .chars()
            .enumerate()
            .all(|(ahead, c)| self.peek_at(ahead) == Some(c));
        if found {
            self.position += text.chars().count();
        }
        found
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(c) = self.peek().filter(|&c| keep(c)) {
            taken.push(c);
            self.position += 1;
        }
        taken
    }

    /// The byte offset of the last character read.
    fn offset(&self) -> usize {
        let last = self.position.saturating_sub(1);
        self.chars
            .get(last)
            .map_or(self.length, |&(offset, _)| offset)
    }

    fn options_here(&self) -> Options {
        self.groups
            .last()
            .map_or_else(Options::default, |group| group.options)
    }

    fn unsupported(&self, construct: &'static str) -> PatternError {
        PatternError::Unsupported {
            offset: self.offset(),
            construct,
        }
    }

    fn malformed(&self, what: &'static str) -> PatternError {
        PatternError::Malformed {
            offset: self.offset(),
            what,
        }
    }

    fn open(&mut self) -> Result<(), PatternError> {
        if self.groups.len() > NESTING_MAX {
            return Err(self.malformed("groups nested too deeply"));
        }
        if !self.take("?") {
            self.push_group("(?:", self.options_here());
            return Ok(());
        }
        match self.next() {
            Some(':') => self.push_group("(?:", self.options_here()),
            Some('#') => {
                while self
                    .next()
                    .ok_or_else(|| self.malformed("a comment without its `)`"))?
                    != ')'
                {}
            }
            Some('=') => return Err(self.unsupported("lookahead `(?=`")),
            Some('!') => return Err(self.unsupported("negative lookahead `(?!`")),
            Some('>') => return Err(self.unsupported("the atomic group `(?>`")),
            Some('~') => return Err(self.unsupported("the absence operator `(?~`")),
            Some('(') => return Err(self.unsupported("the conditional `(?(`")),
            Some('<') if self.take("=") => return Err(self.unsupported("lookbehind `(?<=`")),
            Some('<') if self.take("!") => {
                return Err(self.unsupported("negative lookbehind `(?<!`"));
            }
            Some('<') => self.named('>')?,
            Some('\'') => self.named('\'')?,
            Some(_) => self.options()?,
            None => return Err(self.malformed("a group that does not go on")),
        }
        Ok(())
    }

    fn push_group(&mut self, opening: &str, options: Options) {
        self.out.push_str(opening);
        self.groups.push(Group { inner: 0, options });
    }

    fn named(&mut self, end: char) -> Result<(), PatternError> {
        let name = self.take_while(|c| c.is_alphanumeric() || c == '_');
        if name.is_empty() || self.next() != Some(end) {
            return Err(self.malformed("a group name that is none"));
        }
        self.push_group("(?:", self.options_here());
        Ok(())
    }

    /// `(?mix-mix)` or `(?mix-mix:`, from its first letter on.
    fn options(&mut self) -> Result<(), PatternError> {
        self.position -= 1;
        let (mut ignore_case, mut dot_all) = (None, None);
        let (mut options, mut value) = (self.options_here(), true);
        loop {
            match self.next() {
                Some('i') => {
                    ignore_case = Some(value);
                    options.ignore_case = value;
                }
                Some('m') => dot_all = Some(value),
                Some('x') => options.extended = value,
                Some('-') if value => value = false,
                Some(':') => {
                    self.push_group(&opening(ignore_case, dot_all), options);
                    return Ok(());
                }
                Some(')') => break,
                _ => return Err(self.unsupported("this kind of group")),
            }
        }
        self.out.push_str(&opening(ignore_case, dot_all));
        if let Some(group) = self.groups.last_mut() {
            group.inner += 1;
            group.options = options;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), PatternError> {
        if self.groups.len() < 2 {
            return Err(self.malformed("a `)` without its group"));
        }
        self.close_inner();
        self.groups.pop();
        self.out.push(')');
        Ok(())
    }

    /// Closes what `(?i)` opened inside the current group.
    fn close_inner(&mut self) {
        let inner = self.groups.last().map_or(0, |group| group.inner);
        self.out.extend(std::iter::repeat_n(')', inner));
    }

    fn repeat(&mut self, sign: char) -> Result<(), PatternError> {
        if self.peek() == Some('+') {
            self.position += 1;
            return Err(self.unsupported(match sign {
                '*' => "the possessive `*+`",
                '+' => "the possessive `++`",
                _ => "the possessive `?+`",
            }));
        }
        self.out.push(sign);
        if self.take("?") {
            self.out.push('?');
        }
        Ok(())
    }

    /// `{n}`, `{n,}`, `{,m}`, `{n,m}`; anything else after `{` makes it a plain brace.
    fn interval(&mut self) -> Result<(), PatternError> {
        let start = self.position;
        let min = self.take_while(|c| c.is_ascii_digit());
        let comma = self.take(",");
        let max = if comma {
            self.take_while(|c| c.is_ascii_digit())
        } else {
            min.clone()
        };
        if !self.take("}") || (min.is_empty() && max.is_empty()) {
            self.position = start;
            push_literal(&mut self.out, '{');
            return Ok(());
        }
        let least = self.bound(&min)?.unwrap_or(0);
        let most = self.bound(&max)?;
        match most {
            Some(most) if most < least => {
                return Err(self.malformed("a repetition whose minimum is above its maximum"));
            }
            Some(most) => self.out.push_str(&format!("{{{least},{most}}}")),
            None => self.out.push_str(&format!("{{{least},}}")),
        }
        if self.take("?") {
            // After an exact count Ruby reads `?` as "or not at all", not as "as few as possible".
            self.out.push_str(if comma { "?" } else { "{0,1}" });
        }
        Ok(())
    }

    fn bound(&self, digits: &str) -> Result<Option<u32>, PatternError> {
        if digits.is_empty() {
            return Ok(None);
        }
        let bound = digits.parse().ok().filter(|&bound| bound <= REPEAT_MAX);
        bound
            .map(Some)
            .ok_or_else(|| self.malformed("a repetition above 100000"))
    }
}

/// The head of a group that switches options on or off, or leaves them alone.
fn opening(ignore_case: Option<bool>, dot_all: Option<bool>) -> String {
    let flags = |wanted| {
        let flag = |option, letter| if option == Some(wanted) { letter } else { "" };
        format!("{}{}", flag(ignore_case, "i"), flag(dot_all, "s"))
    };
    match flags(false).as_str() {
        "" => format!("(?{}:", flags(true)),
        off => format!("(?{}-{off}:", flags(true)),
    }
}

/// Writes one character so that it stands for itself anywhere.
fn push_literal(out: &mut String, c: char) {
    if c.is_ascii() && !c.is_ascii_alphanumeric() {
        out.push_str(&format!("\\x{:02X}", u32::from(c)));
    } else {
        out.push(c);
    }
}
