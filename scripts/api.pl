#!/usr/bin/env perl
# The documentation of the C interface, out of the public headers:
#
#     api.pl --write FOLDER   pages of Markdown for the site, one a header, the operators by family
#     api.pl --check          exit status 1 when a symbol that a library exports has no documentation
#     api.pl --examples       a program in C with the examples of all comments, to be compiled and run
#
# What is read: a chunk is what stands between empty lines; the comment before a declaration is its documentation, and so
# is one behind it on its line; declarations that follow one another share the comment above them. "---- title ----" begins
# a section. Lines indented in a comment are an example.
use strict;
use warnings;
use utf8;
use open qw(:std :encoding(UTF-8));
use Cwd qw(abs_path getcwd);
use File::Basename qw(dirname);
use File::Path qw(make_path);
use File::Spec::Functions qw(rel2abs);

my ($mode, $folder) = @ARGV;
die "usage: api.pl --write FOLDER | --check | --examples\n" unless @ARGV && $mode =~ /^--(?:write|check|examples)$/ && (@ARGV == 2) == ($mode eq '--write');
$folder = rel2abs($folder) if defined $folder;
chdir dirname(abs_path($0)) . '/..' or die "api: $!\n";

sub slurp {
    my ($path) = @_;
    open my $in, '<', $path or die "api: $path: $!\n";
    local $/;
    return <$in>;
}

# ---- reading ----

sub comment_lines { # the lines inside of a comment
    my ($text) = @_;
    $text =~ s{^/\*+[ ]?|\s*\*/\s*$}{}g;
    return map { s/^ ?\* ?//r } split /\n/, $text;
}

# Statements and comments of a header, one after another: [kind, text, line], kinds "comment", "blank", "code".
sub pieces {
    my ($text) = @_;
    my ($line, @pieces) = (1);
    pos($text) = 0;
    while (pos($text) < length $text) {
        my $start = pos $text;
        my $kind = $text =~ m{\G\n}gc ? 'blank'
            : $text =~ m{\G[ \t]*/\*.*?\*/[ \t]*\n?}sgc ? 'comment'
            : $text =~ m{\G\#(?:[^\n\\]|\\.)*\n?}sgc ? 'macro'
            : $text =~ m{\G(?:extern "C(?:\+\+)?" \{|\})[^\n]*\n?}gc ? 'skip'
            : $text =~ m{\G(?:[^;\{/\n]|\n(?!\n)|/(?!\*)|/\*.*?\*/)*(\{(?:[^\{\}]|(?1))*\})?[^;\{\n]*;?[ \t]*(/\*.*?\*/)?[ \t]*\n?}sgc && pos $text > $start ? 'code'
            : $text =~ m{\G[^\n]*\n?}gc ? 'skip' : last;
        my $piece = substr $text, $start, pos($text) - $start;
        push @pieces, [$kind, $piece, $line];
        $line += ($piece =~ tr/\n//);
    }
    return @pieces;
}

sub names_of { # what a declaration declares
    my ($code) = @_;
    my $plain = $code =~ s{/\*.*?\*/}{}gsr;
    return $1 if $plain =~ /^#define\s+(\w+)/;
    return if $plain =~ /^\s*static inline|^template|^inline|^#/;
    if ($plain =~ /^EBB_API/) { return $plain =~ /\b(ebb_\w+)\s*\(/ ? $1 : () }
    return $1 if $plain =~ /^typedef\b.*\(\*\s*(\w+)\)/s;
    return $1 if $plain =~ /^typedef\b.*?\b(\w+)\s*;\s*$/s;
    return $1 if $plain =~ /^(?:struct|enum|union)\s+(\w+)/;
    return;
}

# A header as {name, about, sections => [{title, about, entries => [{names, code, doc, line}]}]}.
sub read_header {
    my ($path) = @_;
    my ($name) = $path =~ m{([^/]+)\.h$};
    my %header = (name => $name, path => $path, sections => [{title => '', about => '', entries => []}]);
    my ($doc, $fresh, $entry, $seen_comment);
    my $cxx = 0; # inside of what is for C++ only
    for (pieces(slurp($path))) {
        my ($kind, $text, $line) = @$_;
        if ($kind eq 'macro' && $text =~ /^#ifdef __cplusplus/) { $cxx = 1; next }
        if ($kind eq 'macro' && $text =~ /^#(?:else|endif)/) { $cxx = 0; next }
        next if $cxx && $kind ne 'blank';
        if ($kind eq 'comment') {
            next if $text =~ /clang-format/;
            my @lines = comment_lines($text);
            if (!$seen_comment++) { $header{about} = join "\n", @lines; next }
            if ($lines[0] =~ /^---- (.*?) -{4,}\s*(.*)$/) {
                push @{$header{sections}}, {title => ucfirst $1, about => join("\n", $2, @lines[1 .. $#lines]), entries => []};
                ($doc, $entry) = ();
            } else {
                $doc = defined $doc && !$fresh ? $doc : join "\n", @lines;
                ($doc, $fresh, $entry) = (join("\n", @lines), 1, undef);
            }
        } elsif ($kind eq 'blank') {
            ($doc, $entry) = () unless $fresh;
            ($doc, $entry, $fresh) = () if $fresh && !$entry;
        } elsif ($kind eq 'code' || $kind eq 'macro') {
            my @names = names_of($text) or next;
            next if $kind eq 'macro' && ($names[0] =~ /^ebb_|^EBB__|_H$/ || $text =~ /^#define EBB_DEFAULT\b/ || !defined $doc && $text !~ m{/\*});
            next if $names[0] =~ /__/;
            my ($behind) = $text =~ m{[;\)\w]\s*/\*\s*(.*?)\s*\*/\s*$}s;
            undef $behind if $text =~ /^(?:typedef )?(?:struct|enum)\b[^;]*\{/;
            my $own = $behind // '';
            $own =~ s/\s*\n\s*\*?\s*/ /g;
            if ($entry && !length $own && defined $doc && $entry->{kind} eq $kind) {
                push @{$entry->{names}}, @names;
                $entry->{code} .= $text;
            } else {
                $entry = {kind => $kind, names => \@names, code => $text, doc => length $own && !$fresh ? $own : $doc // $own, line => $line, path => $path};
                $entry->{doc} .= "\n$own" if length $own && $fresh && index($entry->{doc}, $own) < 0;
                push @{$header{sections}[-1]{entries}}, $entry;
            }
            $fresh = 0;
        }
    }
    return \%header;
}

my @order = qw(base tensor autograd ops transforms checkpoint debug call opdef subscript nn optim data io dlpack graph expr explain);
my %rank = map { $order[$_] => $_ } 0 .. $#order;
my @paths = sort { my ($x, $y) = map { m{(\w+)\.h$} ? $rank{$1} // 99 : 99 } $a, $b; $x <=> $y || $a cmp $b } grep { !m{/ebb\.h$} } glob('include/ebb/*.h');
my @headers = map { read_header($_) } @paths;
my @entries = map { @{$_->{entries}} } map { @{$_->{sections}} } @headers;

# ---- checking ----

sub check {
    my %documented;
    for my $entry (@entries) { $documented{$_} ||= ($entry->{doc} // '') =~ /\w/ for @{$entry->{names}} }
    my @missing = grep { !$documented{$_} } grep { /^ebb_/ } split /\s+/, slurp('cmake/exports.txt') . slurp('cmake/exports-explain.txt');
    print "$_ has no documentation in include/ebb\n" for @missing;
    exit 1 if @missing;
    print 'api: all of ' . scalar(grep { /^ebb_/ } keys %documented) . " functions and types have documentation\n";
}

# ---- examples ----

# An example may leave out what any program has around it: "..." stands for other code, and what is in front of the first such line for
# what is before main. The names that examples use are those of tests/header_examples.h.
sub examples_of {
    my ($doc) = @_;
    my (@examples, $open) = ();
    for my $line (split /\n/, $doc) {
        if ($line =~ /^    (.*)/) { push @examples, '' unless $open; $examples[-1] .= "$1\n"; $open = 1 }
        elsif ($line =~ /\S/) { $open = 0 }
    }
    # Signatures, tables and errors are indented as well; a statement ends with ";" or "}".
    return grep { /[;}]\s*(?:\/\/[^\n]*)?\n?\z/ && /\bebb_|\bEBB_/ && !/->\s*Tensor/ } @examples;
}

sub write_examples {
    my ($top, $calls, $n, %seen) = ('', '', 0);
    for my $where (map { [$_->{doc} // '', $_->{path}, $_->{line}] } (map { {doc => $_->{about}, path => $_->{path}, line => 1} } @headers), @entries) {
        for my $example (examples_of($where->[0])) {
            next if $seen{"$where->[1]$example"}++; # shared by the declarations under one comment
            my ($before, $body) = $example =~ /\A(.*?)^\.\.\.\n(.*)\z/ms && $example =~ /\A(?:static|struct)/ ? ($1, $2) : ('', $example);
            ($before, $body) = ($example, '') if !$before && $example =~ /\Astatic\b.*\}\s*\z/s;
            ($before, $body) = ($1, $2) if !$before && $example =~ /\A(static.*?^\}\n)(.+)\z/ms;
            $body =~ s/^\s*\.\.\.$//mg;
            s/\bfor \((?:…|\.\.\.)\)/for (int step = 0; step < 2; step++)/ for $before, $body;
            $n++;
            my $at = "#line $where->[2] \"$where->[1]\"\n";
            $before =~ s/\b(static \w[\w ]*[ *])(\w+)\(/$1${2}_$n(/g;
            my @own = $before =~ /\b(\w+)_$n\(/g;
            for my $name (@own) { s/\b$name\b/${name}_$n/g for $body }
            $top .= ($before ? "$at$before\n" : '') . "static int example_$n(void) {\nEXAMPLE_NAMES\n{\n$at$body\n}\nreturn 0;\n}\n";
            $calls .= "    run(example_$n, \"$where->[1]:$where->[2]\");\n";
        }
    }
    print "/* The examples of the headers, by scripts/api.pl. */\n", map { "#include <ebb/$_->{name}.h>\n" } @headers;
    print "#include \"tests/header_examples.h\"\n$top\nint main(void) {\n    begin();\n${calls}    return end($n);\n}\n";
}

# ---- pages ----

my %page_of; # symbol => page#anchor

sub anchor { return $_[0] }

sub linked { # text of a comment as Markdown, known names linked
    my ($text, $page, $self) = @_;
    $text =~ s/([*<>|\\\[\]])/\\$1/g;
    $text =~ s{(`[^`]*`)|(?<![\w.])((?:ebb|EBB)_\w*\w)(\(\))?}{
        if (defined $1) { $1 } else {
            my ($name, $call) = ($2, $3 // '');
            my $to = $page_of{$name};
            my $shown = "`$name$call`";
            defined $to && !$self->{$name} ? "[$shown](" . from($page, $to) . ')' : $shown
        }
    }ge;
    return $text;
}

sub from { # a link from page to page#anchor
    my ($page, $to) = @_;
    my ($file, $anchor) = split /#/, $to;
    return "#$anchor" if $file eq $page;
    return ($page =~ m{/} ? $file =~ m{/} ? $file =~ s{.*/}{}r : "../$file" : $file) . "#$anchor";
}

sub markdown { # a comment: paragraphs, and examples as they are
    my ($doc, $page, $self) = @_;
    my ($out, $code) = ('', 0);
    for my $line (split /\n/, $doc) {
        if ($line =~ /^    (.*)/) { $out .= "\n```c\n" unless $code; $out .= "$1\n"; $code = 1; next }
        $out .= "```\n\n" if $code;
        $code = 0;
        $out .= linked($line, $page, $self) . "\n";
    }
    return $out . ($code ? "```\n" : '');
}

sub declaration { # as one calls it
    my ($code) = @_;
    $code =~ s/^EBB_API //mg;
    $code =~ s/^(#define \w+\([^)]*\))(?:[^\n\\]|\\.)*/$1/gms; # what a macro stands for is its own matter
    $code =~ s/ EBB_DEFAULT\b| EBB_PRINTF\([^)]*\)| EBB_MUST_USE//g;
    $code =~ s/^\s*int ebb__at;\n//mg;
    $code =~ s{;\s*/\*.*?\*/\s*\z}{;\n}s unless $code =~ /\{/;
    return $code =~ s/\s+\z//r;
}

sub page_text {
    my ($title, $page, $about, @sections) = @_;
    my $text = "# $title\n\n" . markdown($about, $page, {}) . "\n";
    for my $section (@sections) {
        next unless @{$section->{entries}} || $section->{about} =~ /\w/;
        $text .= "## $section->{title}\n\n" if length $section->{title};
        $text .= markdown($section->{about} =~ s/^\n//r, $page, {}) . "\n" if $section->{about} =~ /\w/;
        for my $entry (@{$section->{entries}}) {
            my %self = map { $_ => 1 } @{$entry->{names}};
            my ($first, @rest) = @{$entry->{names}};
            $text .= "### `$first` {#${\anchor($first)} .symbol}\n\n";
            $text .= join('', map { "<a id=\"${\anchor($_)}\"></a>" } @rest) . "\n\n" if @rest;
            my $doc = $entry->{doc} // '';
            $doc = "What $1 can be told." if $doc !~ /\w/ && $first =~ /^(ebb_\w+)_options$/ && $page_of{$1};
            $text .= "```c\n" . declaration($entry->{code}) . "\n```\n\n" . markdown($doc, $page, \%self) . "\n";
        }
    }
    return $text;
}

sub families { # operator => family, from the document of the operators
    my ($family, %of);
    for (split /\n/, slurp('docs/operators.md')) { if (/^## (.*)/) { $family = $1 } elsif (/^### (\w+)/) { $of{$1} = $family } }
    return %of;
}

sub write_pages {
    my (@pages, %operators);
    my %family = families();
    for my $header (@headers) {
        if ($header->{name} ne 'ops') { push @pages, ["$header->{name}.h", "$header->{name}.md", $header->{about}, @{$header->{sections}}]; next }
        for my $entry (map { @{$_->{entries}} } @{$header->{sections}}) {
            my ($operator) = $entry->{names}[0] =~ /^ebb_(\w+?)_?(?:_options)?$/;
            push @{$operators{$family{$operator} // 'Others'}}, $entry;
        }
        push @pages, map { ["Operators: " . lc, 'ops/' . (lc =~ s/\W+/-/gr) . '.md', $header->{about}, {title => '', about => '', entries => $operators{$_}}] } sort keys %operators;
    }
    for my $page (@pages) {
        my (undef, $path, undef, @sections) = @$page;
        for my $entry (map { @{$_->{entries}} } @sections) { $page_of{$_} //= "$path#" . anchor($_) for @{$entry->{names}} }
    }
    my ($index, $nav) = ("# The C interface\n\nOut of the headers in `include/ebb`; `#include <ebb/ebb.h>` includes all of them but those of the library ebb-explain, `expr.h` and `explain.h`.\n\n", '');
    make_path("$folder/ops");
    for my $page (@pages) {
        my ($title, $path, $about, @sections) = @$page;
        open my $out, '>', "$folder/$path" or die "api: $folder/$path: $!\n";
        print $out page_text($title, $path, $about, @sections);
        close $out or die "api: $!\n";
        my ($first) = split /(?<=[.:])\s/, $about =~ s/\n/ /gr;
        $index .= "- [$title]($path)" . ($path =~ /^ops/ ? '' : ': ' . linked($first, 'index.md', {}) =~ s/[.:]$//r) . "\n";
        $nav .= "- \"$title\": api/$path\n";
    }
    $index .= "\n## All functions and types\n\n";
    $index .= join ' · ', map { "[`$_`]($page_of{$_})" } grep { /^ebb_/ } sort keys %page_of;
    open my $out, '>', "$folder/index.md" or die "api: $!\n";
    print $out "$index\n";
    close $out;
    open $out, '>', "$folder/nav" or die "api: $!\n";
    print $out $nav;
    close $out;
}

if ($mode eq '--check') { check() } elsif ($mode eq '--examples') { write_examples() } else { write_pages() }
