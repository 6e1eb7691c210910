//! How deep a Rego text may be nested, decided before it is parsed.
//!
//! The engine's parser and interpreter recurse on expressions and bound only some of that. So the depth that a text can lead to
//! is bounded here, by its tokens: brackets inside brackets, and operators in one statement. So are numbers, which the parser
//! writes out. It is no parser: it may refuse a strange text that would be harmless, and nothing else.

/// Most brackets that are open at once. The parser tries what each may be, and so takes twice as long for each one more.
const MAX_BRACKETS: usize = 10;
/// Most operators and keywords in one statement, on one level of brackets.
const MAX_OPERATORS: usize = 48;

/// Most digits of a number: those of the largest that a fact may be.
const MAX_DIGITS: usize = 20;

/// Words after which, and before which, a statement goes on.
const KEYWORDS: &[&[u8]] = &[
    b"not",
    b"some",
    b"every",
    b"in",
    b"if",
    b"contains",
    b"else",
    b"default",
    b"as",
    b"with",
    b"import",
    b"package",
];

/// The text, byte by byte.
struct Shape<'t> {
    rest: &'t [u8],
    line: usize,
    /// Operators of the statement so far, for each open bracket and the outermost level.
    levels: Vec<usize>,
    /// Whether a statement may end after the last token.
    complete: bool,
    /// A line feed came since the last token.
    fresh_line: bool,
}

/// The first place that is nested too deeply: its line, and what is wrong.
pub(super) fn check(text: &str) -> Result<(), (usize, String)> {
    let mut shape =
        Shape { rest: text.as_bytes(), line: 1, levels: vec![0], complete: true, fresh_line: false };
    while let Some(byte) = shape.next() {
        shape.token(byte).map_err(|message| (shape.line, message))?;
    }
    Ok(())
}

impl Shape<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        if *first == b'\n' {
            self.line = self.line.saturating_add(1);
        }
        Some(*first)
    }

    fn skip_while(&mut self, holds: impl Fn(u8) -> bool) {
        while self.rest.first().is_some_and(|byte| holds(*byte)) {
            self.next();
        }
    }

    fn token(&mut self, byte: u8) -> Result<(), String> {
        match byte {
            b'\n' => self.fresh_line = true,
            byte if byte.is_ascii_whitespace() => {}
            b'#' => self.skip_while(|byte| byte != b'\n'),
            b'"' => {
                self.quoted();
                self.operand();
            }
            b'`' => {
                self.skip_while(|byte| byte != b'`');
                self.next();
                self.operand();
            }
            b'$' => return Err("templates are not allowed; use sprintf".to_owned()),
            b'(' | b'[' | b'{' => return self.open(),
            b')' | b']' | b'}' => self.close(),
            b',' | b';' => self.restart(),
            byte if is_word(byte) => return self.word(byte),
            _ => return self.operator(),
        }
        Ok(())
    }

    fn quoted(&mut self) {
        while let Some(byte) = self.next() {
            match byte {
                b'"' => return,
                b'\\' => {
                    self.next();
                }
                _ => {}
            }
        }
    }

    fn word(&mut self, first: u8) -> Result<(), String> {
        let length = self.rest.iter().take_while(|byte| is_word(**byte)).count();
        let mut word = vec![first];
        for _ in 0..length {
            word.extend(self.next());
        }
        if KEYWORDS.contains(&word.as_slice()) {
            return self.operator();
        }
        if first.is_ascii_digit() && (word.len() > MAX_DIGITS || !word.iter().all(u8::is_ascii_digit)) {
            return Err(format!("expected a number of at most {MAX_DIGITS} digits, without an exponent"));
        }
        self.operand();
        Ok(())
    }

    /// A complete operand on a fresh line, after another one, begins a new statement.
    fn operand(&mut self) {
        if self.fresh_line && self.complete {
            self.restart();
        }
        self.fresh_line = false;
        self.complete = true;
    }

    fn operator(&mut self) -> Result<(), String> {
        self.fresh_line = false;
        self.complete = false;
        let Some(operators) = self.levels.last_mut() else { return Ok(()) };
        *operators = operators.saturating_add(1);
        if *operators > MAX_OPERATORS {
            return Err(format!("more than {MAX_OPERATORS} operators in one statement; split it"));
        }
        Ok(())
    }

    /// A bracket also applies to what stands before it, as in `a[0][0]`, and so counts as an operator.
    fn open(&mut self) -> Result<(), String> {
        self.operator()?;
        if self.levels.len() > MAX_BRACKETS {
            return Err(format!("more than {MAX_BRACKETS} brackets in one another"));
        }
        self.levels.push(0);
        self.complete = true;
        Ok(())
    }

    fn close(&mut self) {
        // One too many is the parser's to refuse.
        if self.levels.len() > 1 {
            self.levels.pop();
        }
        self.fresh_line = false;
        self.complete = true;
    }

    fn restart(&mut self) {
        if let Some(operators) = self.levels.last_mut() {
            *operators = 0;
        }
        self.complete = true;
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_rules_have_room() {
        let rule = "deny contains {\"what\": sprintf(\"%s\", [x])} if {\n some x in input.a.b.c\n not f(x.y)\n x.z == \"((((((\"\n}\n";
        check(&rule.repeat(200)).unwrap();
        check(&"a := [1, 2, {\"b\": 3}]\n".repeat(500)).unwrap();
        check(&format!("a := [{}]", "1, ".repeat(1000))).unwrap();
        check(&format!("a := {{\n{}\n}}", "\"k\": [1, 2],\n".repeat(1000))).unwrap();
    }

    #[test]
    fn v03_depth_is_refused_in_every_form() {
        for deep in [
            "(".repeat(100),
            "[".repeat(11),
            "{".repeat(11),
            "-".repeat(100),
            "not ".repeat(100),
            "not\n".repeat(100),
            "a +".repeat(100),
            "a\n+ ".repeat(100),
            "a.b".repeat(100),
            "a".to_owned() + &"[0]".repeat(100),
            "a".to_owned() + &"[0, 1]".repeat(100),
            "a in ".repeat(100),
            "a\nin ".repeat(100),
            "a + [x, y] ".repeat(100),
            "{x | ".repeat(100),
            "# c\n(".repeat(100),
        ] {
            assert!(check(&deep).is_err(), "{deep}");
        }
    }

    #[test]
    fn v03_numbers_that_would_be_written_out_are_refused() {
        for large in
            ["0e888888888", "1e888888888", "1E9", "a := [1, 1.5e888888888]", "-1e+888888888", &"9".repeat(21)]
        {
            assert!(check(large).is_err(), "{large}");
        }
        for harmless in ["1.25", "a1e5 := 1", "x == 18446744073709551615", "\"1e9\"", "# 1e9"] {
            check(harmless).unwrap();
        }
    }

    #[test]
    fn the_line_is_told() {
        assert_eq!(check(&format!("a\n\nb {}", "-".repeat(100))).unwrap_err().0, 3);
    }
}
