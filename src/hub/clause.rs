//! `where` and `orderBy` (docs/api.md, Conditions): `email = 'a@b' AND (amount >= 5 OR name LIKE 'A%')`. A text becomes a
//! [`Clause`] or a complaint that names the column; what a clause becomes at a vendor is written elsewhere.

use std::fmt;

use winnow::Parser as _;
use winnow::combinator::{alt, delimited, repeat};
use winnow::error::{ContextError, ErrMode};
use winnow::stream::{LocatingSlice, Location as _, Stream as _};
use winnow::token::{any, none_of, take_while};

/// Characters of a clause at most.
pub const LONGEST: usize = 8_000;
/// Parentheses inside each other at most.
const DEEPEST: usize = 32;

/// A condition on objects. `All` and `Any` have two parts or more, none of their own kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clause {
    All(Vec<Clause>),
    Any(Vec<Clause>),
    Is(Condition),
}

/// A condition on one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub field: Field,
    pub test: Test,
}

/// A field as the caller wrote it, and the column where that stands. Equal when the names are.
#[derive(Debug, Clone)]
pub struct Field {
    pub name: String,
    pub column: usize,
}

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Field {}
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    Compare(Comparison, Literal),
    /// `%` stands for any text.
    Like(Literal),
    In(Vec<Literal>),
    Null,
    NotNull,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    Greater,
    AtMost,
    AtLeast,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    pub text: String,
    /// In quotes; without them it is a number or a word.
    pub quoted: bool,
}

/// What is wrong with a clause, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {reason}")]
pub struct Complaint {
    /// In characters, counted from 1.
    pub column: usize,
    pub reason: String,
}

impl Complaint {
    pub fn at(column: usize, reason: impl Into<String>) -> Self {
        Self { column, reason: reason.into() }
    }
}

/// Reads a whole clause.
pub fn parse(text: &str) -> Result<Clause, Complaint> {
    if text.chars().count() > LONGEST {
        return Err(Complaint::at(LONGEST, format!("a condition has at most {LONGEST} characters")));
    }
    let mut tokens = Tokens { all: tokens(text)?, next: 0, end: text.chars().count().saturating_add(1) };
    let clause = any_of(&mut tokens, 0)?;
    match tokens.peek() {
        Token::End => Ok(clause),
        other => Err(tokens.complain(format!("{other} after the end of the condition; AND or OR is missing"))),
    }
}

/// `name asc, amount desc`; ascending where nothing is said. The second value: descending.
pub fn parse_order(text: &str) -> Result<Vec<(Field, bool)>, Complaint> {
    if text.chars().count() > LONGEST {
        return Err(Complaint::at(LONGEST, format!("an order has at most {LONGEST} characters")));
    }
    let mut tokens = Tokens { all: tokens(text)?, next: 0, end: text.chars().count().saturating_add(1) };
    let mut order = Vec::new();
    loop {
        let field = field(&mut tokens)?;
        let descending = tokens.takes_word("desc");
        if !descending {
            tokens.takes_word("asc");
        }
        order.push((field, descending));
        match tokens.peek() {
            Token::Sign(",") => tokens.advance(),
            Token::End => return Ok(order),
            other => return Err(tokens.complain(format!("{other} where asc, desc, a comma or the end should be"))),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// Letters, digits and `_.-$@:+`.
    Word(String),
    Quoted(String),
    BackQuoted(String),
    Sign(&'static str),
    End,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Texts of the caller's are cut: a message is no place for a novel.
        let short = |text: &str| text.chars().take(40).collect::<String>();
        match self {
            Self::Word(word) => write!(f, "`{}`", short(word)),
            Self::Quoted(text) => write!(f, "'{}'", short(text)),
            Self::BackQuoted(name) => write!(f, "`{}`", short(name)),
            Self::Sign(sign) => write!(f, "`{sign}`"),
            Self::End => f.write_str("the end"),
        }
    }
}

type Input<'a> = LocatingSlice<&'a str>;
type Lexed<T> = Result<T, ErrMode<ContextError>>;

pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || "_.-$@:+".contains(c)
}

fn quoted(quote: char) -> impl FnMut(&mut Input<'_>) -> Lexed<String> {
    move |input| {
        let doubled = (quote, quote).value(quote);
        delimited(quote, repeat(0.., alt((none_of(quote), doubled))), quote).parse_next(input)
    }
}

fn token(input: &mut Input<'_>) -> Lexed<Token> {
    let signs = ["(", ")", ",", "!=", "<=", ">=", "=", "<", ">"];
    if let Some(sign) = signs.into_iter().find(|sign| input.starts_with(sign)) {
        return sign.value(Token::Sign(sign)).parse_next(input);
    }
    alt((
        quoted('\'').map(Token::Quoted),
        quoted('`').map(Token::BackQuoted),
        take_while(1.., is_word).map(|word: &str| Token::Word(word.to_owned())),
    ))
    .parse_next(input)
}

/// Every token with its column.
fn tokens(text: &str) -> Result<Vec<(Token, usize)>, Complaint> {
    let mut input = LocatingSlice::new(text);
    let mut all = Vec::new();
    // Bytes to columns as they pass: a clause is walked once.
    let (mut seen, mut column) = (0, 1);
    loop {
        let _: Lexed<&str> = take_while(0.., char::is_whitespace).parse_next(&mut input);
        let offset = input.current_token_start();
        column += text.get(seen..offset).unwrap_or_default().chars().count();
        seen = offset;
        if input.is_empty() {
            return Ok(all);
        }
        let start = input.checkpoint();
        match token(&mut input) {
            Ok(token) => all.push((token, column)),
            Err(_) => {
                input.reset(&start);
                let first: Lexed<char> = any.parse_next(&mut input);
                return Err(Complaint::at(
                    column,
                    match first {
                        Ok('\'') => "the text is never closed with a '".to_owned(),
                        Ok('`') => "the name is never closed with a `".to_owned(),
                        Ok(other) if !other.is_control() => format!("`{other}` is no part of a condition"),
                        _ => "a control character is no part of a condition".to_owned(),
                    },
                ));
            }
        }
    }
}

struct Tokens {
    all: Vec<(Token, usize)>,
    next: usize,
    /// The column behind the last character.
    end: usize,
}

impl Tokens {
    fn peek(&self) -> &Token {
        self.all.get(self.next).map_or(&Token::End, |(token, _)| token)
    }

    fn column(&self) -> usize {
        self.all.get(self.next).map_or(self.end, |(_, column)| *column)
    }

    fn advance(&mut self) {
        self.next = self.next.saturating_add(1);
    }

    fn complain(&self, reason: impl Into<String>) -> Complaint {
        Complaint::at(self.column(), reason)
    }

    fn takes_word(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Token::Word(word) if word.eq_ignore_ascii_case(wanted));
        if found {
            self.advance();
        }
        found
    }

    fn takes_sign(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Token::Sign(sign) if *sign == wanted);
        if found {
            self.advance();
        }
        found
    }
}

fn any_of(tokens: &mut Tokens, depth: usize) -> Result<Clause, Complaint> {
    let mut parts = vec![all_of(tokens, depth)?];
    while tokens.takes_word("or") {
        parts.push(all_of(tokens, depth)?);
    }
    Ok(Clause::any(parts))
}

fn all_of(tokens: &mut Tokens, depth: usize) -> Result<Clause, Complaint> {
    let mut parts = vec![part(tokens, depth)?];
    while tokens.takes_word("and") {
        parts.push(part(tokens, depth)?);
    }
    Ok(Clause::all(parts))
}

fn part(tokens: &mut Tokens, depth: usize) -> Result<Clause, Complaint> {
    if !matches!(tokens.peek(), Token::Sign("(")) {
        return condition(tokens).map(Clause::Is);
    }
    if depth >= DEEPEST {
        return Err(tokens.complain(format!("parentheses stand inside each other more than {DEEPEST} times")));
    }
    tokens.advance();
    let inner = any_of(tokens, depth.saturating_add(1))?;
    if tokens.takes_sign(")") {
        return Ok(inner);
    }
    Err(tokens.complain(format!("{} where AND, OR or `)` should be", tokens.peek())))
}

fn condition(tokens: &mut Tokens) -> Result<Condition, Complaint> {
    let field = field(tokens)?;
    let test = test(tokens, &field)?;
    Ok(Condition { field, test })
}

fn field(tokens: &mut Tokens) -> Result<Field, Complaint> {
    let column = tokens.column();
    let name = match tokens.peek() {
        Token::Word(word) if !is_keyword(word) => word.clone(),
        Token::BackQuoted(name) if !name.is_empty() => name.clone(),
        other => return Err(tokens.complain(format!("{other} where the name of a field should be"))),
    };
    tokens.advance();
    Ok(Field { name, column })
}

fn test(tokens: &mut Tokens, field: &Field) -> Result<Test, Complaint> {
    const COMPARISONS: [(&str, Comparison); 6] = [
        ("=", Comparison::Equal),
        ("!=", Comparison::NotEqual),
        ("<", Comparison::Less),
        (">", Comparison::Greater),
        ("<=", Comparison::AtMost),
        (">=", Comparison::AtLeast),
    ];
    if let Some((_, comparison)) = COMPARISONS.iter().find(|(sign, _)| tokens.takes_sign(sign)) {
        return Ok(Test::Compare(*comparison, literal(tokens)?));
    }
    if tokens.takes_word("like") {
        return Ok(Test::Like(literal(tokens)?));
    }
    if tokens.takes_word("in") {
        return Ok(Test::In(list(tokens)?));
    }
    if tokens.takes_word("is") {
        let not = tokens.takes_word("not");
        if tokens.takes_word("null") {
            return Ok(if not { Test::NotNull } else { Test::Null });
        }
        return Err(tokens.complain(format!("{} where NULL should be", tokens.peek())));
    }
    let name: String = field.name.chars().take(40).collect();
    Err(tokens.complain(format!(
        "{} after the field `{name}`, where one of = != < > <= >= LIKE IN IS should be",
        tokens.peek()
    )))
}

fn literal(tokens: &mut Tokens) -> Result<Literal, Complaint> {
    let literal = match tokens.peek() {
        Token::Quoted(text) | Token::BackQuoted(text) => Literal { text: text.clone(), quoted: true },
        Token::Word(word) if !is_keyword(word) => Literal { text: word.clone(), quoted: false },
        other => return Err(tokens.complain(format!("{other} where a value should be: write texts as 'text'"))),
    };
    tokens.advance();
    Ok(literal)
}

fn list(tokens: &mut Tokens) -> Result<Vec<Literal>, Complaint> {
    if !tokens.takes_sign("(") {
        return Err(tokens.complain(format!("{} where the `(` of a list should be", tokens.peek())));
    }
    let mut values = vec![literal(tokens)?];
    while tokens.takes_sign(",") {
        values.push(literal(tokens)?);
    }
    if tokens.takes_sign(")") {
        return Ok(values);
    }
    Err(tokens.complain(format!("{} where a comma or the `)` of the list should be", tokens.peek())))
}

pub(super) fn is_keyword(word: &str) -> bool {
    ["and", "or", "in", "is", "like", "not", "null"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword))
}

impl Clause {
    /// All of them; a lone one is itself, and nested ones are taken apart.
    pub fn all(parts: Vec<Self>) -> Self {
        let flat = parts.into_iter().flat_map(|part| if let Self::All(inner) = part { inner } else { vec![part] });
        Self::joined(flat.collect(), Self::All)
    }

    /// One of them, as `all`.
    pub fn any(parts: Vec<Self>) -> Self {
        let flat = parts.into_iter().flat_map(|part| if let Self::Any(inner) = part { inner } else { vec![part] });
        Self::joined(flat.collect(), Self::Any)
    }

    fn joined(mut parts: Vec<Self>, join: fn(Vec<Self>) -> Self) -> Self {
        match parts.pop() {
            Some(only) if parts.is_empty() => only,
            last => {
                parts.extend(last);
                join(parts)
            }
        }
    }

    /// From left to right.
    pub fn conditions(&self) -> Vec<&Condition> {
        match self {
            Self::Is(condition) => vec![condition],
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::conditions).collect(),
        }
    }
}

impl Comparison {
    pub fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::Greater => ">",
            Self::AtMost => "<=",
            Self::AtLeast => ">=",
        }
    }
}
