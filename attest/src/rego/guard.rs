//! What Rego rules may be made of, so that they end, use little, and depend on nothing but their input.
//!
//! The engine would find most of this out while it evaluates, or not at all: it overflows its stack over a function that calls
//! itself. So it is decided before, on the syntax tree.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::{RegoFault, RegoFile};

/// Most rules and functions that may call one another in a row.
pub const MAX_CALL_DEPTH: usize = 16;

/// Built-in functions that rules may call. None reaches a clock, the network, files or randomness, and none makes a large value
/// out of small ones.
pub const ALLOWED_FUNCTIONS: &[&str] = &[
    "abs",
    "all",
    "any",
    "array.concat",
    "array.reverse",
    "array.slice",
    "ceil",
    "concat",
    "contains",
    "count",
    "endswith",
    "floor",
    "format_int",
    "indexof",
    "intersection",
    "is_array",
    "is_boolean",
    "is_null",
    "is_number",
    "is_object",
    "is_set",
    "is_string",
    "lower",
    "max",
    "min",
    "object.get",
    "object.keys",
    "object.remove",
    "object.union",
    "round",
    "sort",
    "split",
    "sprintf",
    "startswith",
    "substring",
    "sum",
    "to_number",
    "trim",
    "trim_left",
    "trim_prefix",
    "trim_right",
    "trim_space",
    "trim_suffix",
    "type_name",
    "union",
    "upper",
];

/// A rule or function, with what it names.
#[derive(Debug, Default)]
struct Rule {
    file: usize,
    line: usize,
    names: BTreeSet<String>,
}

/// The check of all files together.
struct Guard<'f> {
    files: &'f [RegoFile<'f>],
    rules: BTreeMap<String, Rule>,
    faults: Vec<RegoFault>,
}

/// Everything in the files' syntax tree that is not allowed.
pub(super) fn check(ast: &str, files: &[RegoFile<'_>]) -> Vec<RegoFault> {
    let mut guard = Guard { files, rules: BTreeMap::new(), faults: Vec::new() };
    let parsed: Result<Vec<Json>, _> = serde_json::from_str(ast);
    let Ok(modules) = parsed else {
        guard.refuse(0, 1, "nested too deeply".to_owned());
        return guard.faults;
    };
    if modules.len() != files.len() {
        guard.refuse(0, 1, "the engine dropped a file".to_owned());
        return guard.faults;
    }
    for module in &modules {
        guard.read_heads(module);
    }
    for module in &modules {
        guard.read_module(module);
    }
    guard.check_deny();
    guard.check_calls();
    guard.faults
}

impl Guard<'_> {
    fn refuse(&mut self, file: usize, line: usize, message: String) {
        let file = self.files.get(file).map_or_else(String::new, |file| file.name.to_owned());
        self.faults.push(RegoFault { file, line, message });
    }

    fn file_of(&self, module: &Json) -> usize {
        let name = module.pointer("/source/file").and_then(Json::as_str);
        self.files.iter().position(|file| Some(file.name) == name).unwrap_or_default()
    }

    /// The names of all rules, of all files: only then a name can be told from a local variable.
    fn read_heads(&mut self, module: &Json) {
        let file = self.file_of(module);
        let package = module.pointer("/ast/package/refr").and_then(path).unwrap_or_default();
        if package != "hallmark" {
            let message = format!("package {package}, expected `package hallmark`");
            self.refuse(file, line(module.pointer("/ast/package")), message);
        }
        for rule in rules(module) {
            let Some(name) = name(rule) else {
                self.refuse(file, line(Some(rule)), "a rule without a name".to_owned());
                continue;
            };
            let line = line(Some(rule));
            self.rules.entry(name).or_insert_with(|| Rule { file, line, names: BTreeSet::new() });
        }
    }

    fn read_module(&mut self, module: &Json) {
        let file = self.file_of(module);
        for import in module.pointer("/ast/imports").and_then(Json::as_array).into_iter().flatten() {
            let path = import.get("refr").and_then(path).unwrap_or_default();
            let allowed = path == "rego.v1"
                || path.starts_with("future.keywords")
                || path == "input"
                || path.starts_with("input.");
            if !allowed {
                self.refuse(
                    file,
                    line(Some(import)),
                    format!("import {path}, expected rego.v1 or a part of input"),
                );
            }
        }
        for rule in rules(module) {
            let Some(name) = name(rule) else { continue };
            if name == "deny" && !is_set(rule) {
                self.refuse(
                    file,
                    line(Some(rule)),
                    "`deny` is no set here; expected `deny contains REASON if { … }`".to_owned(),
                );
            }
            let names = self.read_rule(file, rule);
            self.rules.entry(name).or_default().names.extend(names);
        }
    }

    /// Walks a rule and returns the rules and functions that it names.
    fn read_rule(&mut self, file: usize, rule: &Json) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let own_head = head(rule).and_then(|head| head.get("refr")).map(std::ptr::from_ref);
        let mut open = vec![rule];
        while let Some(node) = open.pop() {
            // The rule's own name is no use of it.
            if own_head.is_some_and(|head| std::ptr::eq(head, node)) {
                continue;
            }
            match node {
                Json::Array(items) => open.extend(items),
                Json::Object(fields) => {
                    if let Some(call) = fields.get("Call") {
                        self.read_call(file, call);
                    }
                    if fields.get("with_mods").and_then(Json::as_array).is_some_and(|mods| !mods.is_empty()) {
                        self.refuse(
                            file,
                            line(Some(node)),
                            "`with` replaces the facts, which is not allowed".to_owned(),
                        );
                    }
                    if let Some(name) = rule_path(node) {
                        names.insert(name.to_owned());
                        continue;
                    }
                    if let Some(variable) = fields.get("Var") {
                        match variable.get("value").and_then(Json::as_str) {
                            Some("data") => self.refuse(
                                file,
                                line(Some(variable)),
                                "`data` is empty but for `data.hallmark.RULE`; the facts are in `input`"
                                    .to_owned(),
                            ),
                            Some(name) if self.rules.contains_key(name) => {
                                names.insert(name.to_owned());
                            }
                            _ => {}
                        }
                    }
                    open.extend(fields.values());
                }
                _ => {}
            }
        }
        names
    }

    fn read_call(&mut self, file: usize, call: &Json) {
        let name = call.get("fcn").and_then(path).unwrap_or_default();
        let own = name.strip_prefix("data.hallmark.").unwrap_or(&name);
        if !self.rules.contains_key(own) && !ALLOWED_FUNCTIONS.contains(&name.as_str()) {
            self.refuse(
                file,
                line(Some(call)),
                format!("`{name}` is neither a function of these files nor one of the built-in functions that are allowed"),
            );
        }
    }

    fn check_deny(&mut self) {
        if !self.rules.contains_key("deny") {
            self.refuse(
                0,
                1,
                "no `deny` rule, so nothing would be judged; expected `deny contains REASON if { … }`"
                    .to_owned(),
            );
        }
    }

    /// No circle, and no chain that is too long for the stack. Rules are peeled off from those that call nothing.
    fn check_calls(&mut self) {
        let mut depths: BTreeMap<&str, usize> = BTreeMap::new();
        loop {
            let ready: Vec<_> = self
                .rules
                .iter()
                .filter(|(name, _)| !depths.contains_key(name.as_str()))
                .filter_map(|(name, rule)| {
                    let depth =
                        rule.names.iter().map(|name| depths.get(name.as_str()).copied()).one_above()?;
                    Some((name.as_str(), depth))
                })
                .collect();
            if ready.is_empty() {
                break;
            }
            depths.extend(ready);
        }
        let mut found = Vec::new();
        for (name, rule) in &self.rules {
            match depths.get(name.as_str()) {
                None => found.push((
                    rule.file,
                    rule.line,
                    format!("`{name}` depends on itself, which may never end"),
                )),
                Some(depth) if *depth > MAX_CALL_DEPTH => found.push((
                    rule.file,
                    rule.line,
                    format!("`{name}` calls {depth} rules deep, expected at most {MAX_CALL_DEPTH}"),
                )),
                Some(_) => {}
            }
        }
        found.into_iter().for_each(|(file, line, message)| self.refuse(file, line, message));
    }
}

/// One more than the deepest of the named rules; `None` while one of them is not known.
trait Deepest: Iterator<Item = Option<usize>> + Sized {
    fn one_above(mut self) -> Option<usize> {
        self.try_fold(1, |deepest: usize, depth| Some(deepest.max(depth?.saturating_add(1))))
    }
}

impl<I: Iterator<Item = Option<usize>>> Deepest for I {}

fn rules(module: &Json) -> impl Iterator<Item = &Json> {
    module
        .pointer("/ast/rules")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .filter_map(|rule| rule.as_object()?.values().next())
}

/// The head of a rule; a default rule is its own.
fn head(rule: &Json) -> Option<&Json> {
    match rule.get("head") {
        Some(head) => head.as_object()?.values().next(),
        None => Some(rule),
    }
}

/// The first word of a rule's name: `deny` of `deny.boot` too.
fn name(rule: &Json) -> Option<String> {
    let mut node = head(rule)?.get("refr")?;
    loop {
        let (kind, inner) = node.as_object()?.iter().next()?;
        match kind.as_str() {
            "Var" => return inner.get("value")?.as_str().map(str::to_owned),
            "RefDot" | "RefBrack" => node = inner.get("refr")?,
            _ => return None,
        }
    }
}

/// Whether a rule is `NAME contains …`, and its name a single word.
fn is_set(rule: &Json) -> bool {
    let head = rule.pointer("/head/Set");
    head.is_some_and(|head| head.pointer("/refr/Var").is_some() && head.get("key").is_some())
}

/// `RULE` of `data.hallmark.RULE`.
fn rule_path(node: &Json) -> Option<&str> {
    let outer = node.get("RefDot")?;
    let package = outer.get("refr")?.get("RefDot")?;
    let data = package.get("refr")?.get("Var")?.get("value")?.as_str()?;
    let field = |dot: &'_ Json| -> Option<String> { Some(dot.get("field")?.get(1)?.as_str()?.to_owned()) };
    (data == "data" && field(package)? == "hallmark").then_some(())?;
    outer.get("field")?.get(1)?.as_str()
}

/// A path of words: `a.b.c`; `None` when it has something else in it.
fn path(node: &Json) -> Option<String> {
    let mut words = Vec::new();
    let mut node = node;
    loop {
        let (kind, inner) = node.as_object()?.iter().next()?;
        match kind.as_str() {
            "Var" => {
                words.push(inner.get("value")?.as_str()?);
                words.reverse();
                return Some(words.join("."));
            }
            "RefDot" => {
                words.push(inner.get("field")?.get(1)?.as_str()?);
                node = inner.get("refr")?;
            }
            _ => return None,
        }
    }
}

fn line(node: Option<&Json>) -> usize {
    node.and_then(|node| node.pointer("/span/line")?.as_u64())
        .and_then(|line| line.try_into().ok())
        .unwrap_or(1)
}
