#!/usr/bin/env perl
# Compile and run the examples of the documents, and hold what is printed there to what is really printed.
#
#     examples.pl BUILD [--update] [DOCUMENT...]
#
# BUILD is a build tree; it is installed into a scratch folder, and examples are compiled against that as a user would.
# With --update outputs, and parts of files, are written anew instead of compared. Without documents: all that readers
# are given (see @documents). A remark of Markdown, which readers do not see, on the line above a block says what it is:
#
#     <!-- run -->            a program, or what stands in one's main. What it prints is the block of text that follows
#     <!-- run NAME -->       the next part of the program NAME of this document; parts share one main
#     <!-- run NAME top -->   the same, in front of main: functions and types
#     <!-- file PATH -->      this file; <!-- file PATH: TITLE --> its part between the remarks "---- TITLE ----" and the next
#     <!-- save NAME -->      written as NAME to the folder in which the document's commands run, compiled by them
#     <!-- shown: REASON -->  neither compiled nor run
#
# Several are separated by semicolons: <!-- file examples/quick.c; save quick.c; run -->.
# Blocks of the language "console" are run in any case: commands after "$ ", each followed by what it prints. Words after
# the name: "quiet", its output is not shown; "fails", its exit status must not be 0; "about", numbers may differ by a
# twentieth. A line "…" of an output stands for any lines. Python is run by $EBB_PYTHON, one with PyTorch, where that is
# set. A document with the remark <!-- numbers --> has no decimal number in its prose that its examples do not print or
# contain; in one with the remark <!-- cells --> the calls of Ebb in tables are compiled, with the names of
# tests/header_examples.h.
use strict;
use warnings;
use utf8;
use open qw(:std :encoding(UTF-8));
use Cwd qw(abs_path getcwd);
use Encode qw(decode);
use File::Basename qw(dirname);
use File::Path qw(make_path);
use File::Temp ();

my ($update, $build, @only);
for (@ARGV) {
    if ($_ eq '--update') { $update = 1 } elsif (!defined $build) { $build = abs_path($_) } else { push @only, decode('UTF-8', $_) }
}
die "usage: examples.pl BUILD [--update] [DOCUMENT...]\n" unless defined $build;
chdir dirname(abs_path($0)) . '/..' or die "examples: $!\n";
my $root = getcwd();
my @documents = @only ? @only : grep { !m{docs/operators\.md$} } glob('README*.md CONTRIBUTING.md docs/*.md docs/*/*.md');
@documents = grep { !m{docs/adr/} } @documents unless @only;

my $scratch = File::Temp->newdir(CLEANUP => 1);
my ($cc, $cxx, $cmake) = ($ENV{CC} || 'cc', $ENV{CXX} || 'c++', $ENV{CMAKE} || 'cmake');
my (%known, @problems, %count); # %known: text of a program => what it printed

# ---- running ----

sub spew {
    my ($path, $text) = @_;
    open my $out, '>', $path or die "examples: $path: $!\n";
    print $out $text;
    close $out or die "examples: $path: $!\n";
}

sub slurp {
    my ($path) = @_;
    open my $in, '<', $path or return;
    local $/;
    return <$in>;
}

sub command { # run by bash in a folder; (what it printed, exit status)
    my ($folder, $text) = @_;
    spew("$scratch/command", $text);
    my $printed = `cd '$folder' && bash -c "\$(cat '$scratch/command')" 2>&1 < /dev/null`;
    return ($printed, $?);
}

sub install {
    command($root, "$cmake --install '$build' --prefix '$scratch/prefix'");
    my ($libebb) = glob("$scratch/prefix/lib*/libebb.so $scratch/prefix/lib*/*/libebb.so $scratch/prefix/lib*/libebb.dylib");
    die "examples: $build cannot be installed: is it built?\n" unless $libebb && -e $libebb;
    my $libdir = dirname($libebb);
    $ENV{PATH} = "$scratch/prefix/bin:$ENV{PATH}";
    $ENV{LD_LIBRARY_PATH} = $libdir;
    $ENV{PKG_CONFIG_PATH} = "$libdir/pkgconfig";
    $ENV{CMAKE_PREFIX_PATH} = "$scratch/prefix";
    ($ENV{CC}, $ENV{CXX}, $ENV{EBB_SOURCE}) = ($cc, $cxx, $root);
    return $libdir;
}
my $libdir = install();
my $flags = "-Wall -Wextra -Wshadow -Werror -I$scratch/prefix/include";
my $libraries = "-L$libdir -Wl,-rpath,$libdir -lebb-explain -lebb -lm -lpthread";

sub run_program { # ('c' or 'cpp', its text): (what it printed, exit status)
    my ($lang, $text) = @_;
    return @{$known{"$lang$text"}} if $known{"$lang$text"};
    my ($source, $compiler) = $lang eq 'c' ? ("$scratch/a.c", "$cc -std=c11") : ("$scratch/a.cpp", "$cxx -std=c++17");
    spew($source, $text);
    my ($printed, $status) = command($scratch, "$compiler $flags $source $libraries -o program");
    $count{programs}++;
    if (!$status) {
        make_path("$scratch/cwd");
        ($printed, $status) = command("$scratch/cwd", '../program');
    } else {
        $printed = "does not compile:\n$printed";
    }
    $known{"$lang$text"} = [$printed, $status];
    return ($printed, $status);
}

sub run_python {
    my ($text) = @_;
    my $python = $ENV{EBB_PYTHON} or return;
    return @{$known{"python$text"}} if $known{"python$text"};
    spew("$scratch/a.py", $text);
    $count{'programs in Python'}++;
    my @result = command($scratch, "$python -W ignore a.py");
    $known{"python$text"} = \@result;
    return @result;
}

# ---- comparing ----

my $number = qr/[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?/;

sub same_number {
    my ($x, $y) = @_;
    my ($size, $apart) = ((sort { $b <=> $a } abs $x, abs $y)[0], abs($x - $y));
    return $apart <= 0.05 * $size || $size < 1e-5; # rounding errors are of no particular size
}

sub same_line {
    my ($want, $got, $about) = @_;
    return 1 if $want eq $got;
    return 0 unless $about;
    my (@want, @got) = ();
    s/($number)/\x{1}/g for my ($w, $g) = map { s/\s+/ /gr } $want, $got;
    return 0 unless $w eq $g;
    @want = $want =~ /($number)/g;
    @got = $got =~ /($number)/g;
    return !grep { !same_number($want[$_], $got[$_]) } 0 .. $#want;
}

sub same { # a line "…" stands for any lines
    my ($want, $got, $about) = @_;
    my (@want, @got) = ();
    @want = split /\n/, $want;
    @got = split /\n/, $got;
    my @reach = (1, (0) x @got); # which of the lines printed the lines so far can end at
    for my $line (@want) {
        my @next = (0) x (@got + 1);
        for my $i (0 .. @got) {
            if ($line =~ /^\s*…$/) { $next[$i] = $reach[$i] || ($i && $next[$i - 1]) }
            elsif ($i && $reach[$i - 1] && same_line($line, $got[$i - 1], $about)) { $next[$i] = 1 }
        }
        @reach = @next;
    }
    return $reach[@got];
}

sub plain { # an output without colours, spaces at the ends of lines, or the scratch folder
    my ($text) = @_;
    $text =~ s/\e\[[0-9;]*m//g;
    $text =~ s/\Q$scratch\E/./g;
    $text =~ s/[ \t]+$//mg;
    return $text =~ s/\A\n+|\n*\z//gr;
}

# ---- documents ----

sub read_document { # pieces in order: texts, and blocks with language, remark and body
    my ($path) = @_;
    my ($text, @pieces, $body, $fence) = (slurp($path), '');
    for my $line (split /^/, $text // die "examples: $path: $!\n") {
        if (defined $fence) {
            if ($line =~ /^\Q$fence\E\s*$/) { undef $fence } else { $pieces[-1]{body} .= $line }
            push @pieces, '' unless defined $fence;
        } elsif ($line =~ /^(`{3,})(\w*)\s*$/) {
            ($fence, my $lang) = ($1, $2);
            my $remark = $pieces[-1] =~ /<!--\s*(.*?)\s*-->\n\z/ ? $1 : '';
            push @pieces, {fence => $fence, lang => $lang, remark => $remark, body => ''};
        } elsif ($line =~ /^`{3,}/) {
            die "examples: $path: words stand in the remark above a block, not in ${line}";
        } else {
            $pieces[-1] .= $line;
        }
    }
    die "examples: $path: a block does not end\n" if defined $fence;
    return @pieces;
}

sub write_document {
    my ($path, @pieces) = @_;
    my $text = join '', map { ref $_ ? "$_->{fence}$_->{lang}\n$_->{body}$_->{fence}\n" : $_ } @pieces;
    return if $text eq slurp($path);
    spew($path, $text);
    print "examples: wrote $path\n";
}

my $document; # the one at hand
sub problem { my ($where, $what) = @_; push @problems, "$document: $where: $what\n" }

sub part_of_file { # a file, or its part under a title
    my ($path, $title) = @_;
    my $text = slurp($path) // return;
    return $text unless defined $title;
    my $rule = qr{^[ \t]*(?:/\*|\#|//)[ \t]*----[ \t]*}m;
    return $text =~ m{$rule\Q$title\E[ \t]*----[^\n]*\n(.*?)(?=$rule|\z)}ms ? $1 =~ s/\A\n+|\n*\z//gr . "\n" : undef;
}

# What a block prints is in the block of text right behind it; with --update it is put there.
sub deliver {
    my ($pieces, $i, $printed, $about, $where) = @_;
    my $shown = $i + 2 <= $#$pieces && $pieces->[$i + 1] =~ /\A\s*\z/ && $pieces->[$i + 2]{lang} eq 'text' ? $pieces->[$i + 2] : undef;
    $shown->{output} = 1 if $shown;
    my $want = $shown ? plain($shown->{body}) : '';
    return if same($want, $printed, $about);
    return problem($where, difference($want, $printed)) if !$update || $want =~ /^\s*…$/m;
    if ($shown) { $shown->{body} = "$printed\n" }
    else { splice @$pieces, $i + 1, 0, "\n", {fence => '```', lang => 'text', remark => '', body => "$printed\n", output => 1} }
}

sub difference {
    my ($want, $got) = @_;
    spew("$scratch/want", "$want\n");
    spew("$scratch/got", "$got\n");
    return "prints something else than the document says (-)\n" . (command($scratch, 'diff -u want got | tail -n +3'))[0];
}

sub check_status {
    my ($status, $fails, $where, $printed) = @_;
    return 1 if $fails ? $status : !$status;
    problem($where, $fails ? "should fail, and does not\n$printed" : "fails\n$printed");
    return 0;
}

my $between = "\x{1e}\n"; # printed between the parts of a program

sub assemble { # a program from its parts
    my ($name, @parts) = @_;
    my ($top, $main, $line) = ('', '', 1);
    for my $part (@parts) {
        my $text = "#line $line \"$name.c\"\n$part->{body}";
        $line += ($part->{body} =~ tr/\n//);
        if ($part->{words} =~ /\btop\b/) { $top .= $text } else { $main .= "$text\nputs(\"\x{1e}\");\n" }
    }
    return "#include <ebb/ebb.h>\n#include <ebb/expr.h>\n#include <math.h>\n#include <stdio.h>\n$top\n#line 100000\nint main(void) {\n"
        . "setvbuf(stdout, NULL, _IOLBF, 0);\nEBB_SCOPE {\n$main}\nreturn ebb_error() ? ebb_perror(\"$name\") : 0;\n}\n";
}

sub run_parts { # the program of a name, of this document
    my ($pieces, $name, @parts) = @_;
    my $where = "program $name";
    my $whole = @parts == 1 && $parts[0]{body} =~ /\bint main\(/;
    my $lang = $parts[0]{lang};
    return run_whole($pieces, $parts[0], $where) if $whole || $lang ne 'c';
    my $words = join ' ', map { $_->{words} } @parts;
    my ($printed, $status) = run_program('c', assemble($name, @parts));
    check_status($status, scalar($words =~ /\bfails\b/), $where, $printed) or return;
    my @outputs = split /$between/, $printed, -1;
    $outputs[-2] .= pop @outputs if @outputs > 1; # what an error at the end says belongs to the last part
    for my $part (grep { $_->{words} !~ /\btop\b/ } @parts) {
        my $output = plain(shift(@outputs) // '');
        next if $part->{words} =~ /\bquiet\b/;
        my ($i) = grep { ref $pieces->[$_] && $pieces->[$_] == $part } 0 .. $#$pieces;
        deliver($pieces, $i, $output, scalar($part->{words} =~ /\babout\b/), $where);
        $count{blocks}++;
    }
}

sub run_whole {
    my ($pieces, $part, $where) = @_;
    my ($printed, $status) = $part->{lang} eq 'python' ? run_python($part->{body}) : run_program($part->{lang}, $part->{body});
    if (!defined $printed) { # what it printed where there was a Python
        my ($i) = grep { ref $pieces->[$_] && $pieces->[$_] == $part } 0 .. $#$pieces;
        $pieces->[$i + 2]{output} = 1 if $i + 2 <= $#$pieces;
        return;
    }
    check_status($status, scalar($part->{words} =~ /\bfails\b/), $where, $printed) or return;
    return if $part->{words} =~ /\bquiet\b/;
    my ($i) = grep { ref $pieces->[$_] && $pieces->[$_] == $part } 0 .. $#$pieces;
    deliver($pieces, $i, plain($printed), scalar($part->{words} =~ /\babout\b/), $where);
    $count{blocks}++;
}

my $history; # of the commands of this document, with the files that it saved: the same in another one prints the same

sub run_console {
    my ($block, $folder) = @_;
    my ($about, $fails) = map { scalar($block->{remark} =~ /\b$_\b/) } qw(about fails);
    my (@runs, $new) = ();
    for my $line (split /^/, $block->{body}) {
        if ($line =~ /^\$ (.*)/s) { push @runs, [$1, ''] }
        elsif (@runs && $runs[-1][0] =~ /\\\n\z/ && !length $runs[-1][1]) { $runs[-1][0] .= $line }
        else { @runs or return problem('console', 'begins with no command'); $runs[-1][1] .= $line }
    }
    for my $run (@runs) {
        my ($text, $want) = ($run->[0], plain($run->[1]));
        $history .= "\n\$ $text";
        $known{$history} //= [command($folder, $text)];
        my ($printed, $status) = @{$known{$history}};
        $count{commands}++;
        my $got = plain($printed);
        check_status($status, $fails, "\$ $text", $printed);
        if (!same($want, $got, $about)) {
            if (!$update || $want =~ /^\s*…$/m) { problem("\$ $text", difference($want, $got)) }
            else { $run->[1] = length $got ? "$got\n" : '' }
        }
        $new .= "\$ $text$run->[1]";
    }
    $block->{body} = $new // '';
}

sub check_numbers { # every decimal number of the prose is in an output, or in a program
    my (@pieces) = @_;
    my $printed = join "\n", map { $_->{body} } grep { ref } @pieces;
    for my $text (grep { !ref } @pieces) {
        for my $line (grep { !/^#/ } split /\n/, $text =~ s/<!--.*?-->//gsr) {
            for my $n ($line =~ /(?<![\w.])(\d+\.\d+)(?![\w.]*\.\w)/g) {
                problem('prose', "$n is in no output of this document: $line") unless $printed =~ /(?<![\d.])\Q$n\E/;
            }
        }
    }
}

sub check_file {
    my ($block, $which) = @_;
    my ($path, $title) = $which =~ /^(\S+?)(?::\s*(.+))?$/;
    my $text = part_of_file($path, $title);
    if (!defined $text) { problem("file $which", 'there is no such file, or part of it') }
    elsif ($update) { $block->{body} = $text }
    elsif ($text ne $block->{body}) { problem("file $which", difference($block->{body}, $text)) }
    $count{'parts of files'}++;
}

sub compile_cells { # the calls in the tables
    my (@pieces) = @_;
    my @calls;
    for my $row (grep { /^\|/ } map { split /\n/ } grep { !ref } @pieces) {
        push @calls, grep { /^(?:ebb|EBB)_\w+(?:\(.*\)| \{.*\})$/ } $row =~ /`([^`]+)`/g;
    }
    my $body = join '', map { "{ " . (/\}$/ ? $_ : "(void)($_);") . " }\n" } @calls;
    spew("$scratch/a.c", "#include \"tests/header_examples.h\"\nint main(void) {\nEXAMPLE_NAMES\n#line 1 \"calls in tables\"\n${body}return 0;\n}\n");
    my ($printed, $status) = command($scratch, "$cc -std=c11 -Wall -Wextra -Wno-unused -Werror -I$scratch/prefix/include -I$root -fsyntax-only a.c");
    problem('tables', $printed . join '', map { ($_ + 1) . ": $calls[$_]\n" } 0 .. $#calls) if $status;
    $count{'calls in tables'} += @calls;
}

sub run_document {
    my @pieces = read_document($document);
    my $folder = "$scratch/" . ($document =~ s/\W/_/gr);
    make_path($folder);
    symlink "$root/examples", "$folder/examples"; # so that commands may compile them
    my (%parts, @order, $anonymous);
    $history = '';
    for my $block (grep { ref } @pieces) {
        my @said = grep { /^(run|file|save|shown)\b/ } split /\s*;\s*/, $block->{remark};
        for (sort { $a !~ /^file/ <=> $b !~ /^file/ } @said) {
            my ($kind, $rest) = /^(\w+):?\s*(.*)$/;
            if ($kind eq 'run') {
                my ($name, $words) = $rest =~ /^(?!(?:quiet|fails|about|top)\b)(\S+)\s*(.*)$/ ? ($1, $2) : ('example' . ++$anonymous, $rest);
                $block->{words} = $words;
                push @order, $name unless $parts{$name};
                push @{$parts{$name}}, $block;
            } elsif ($kind eq 'save') {
                make_path(dirname("$folder/$rest"));
                spew("$folder/$rest", $block->{body});
                $history .= "\n$rest:\n$block->{body}";
                $count{'files for commands'}++;
            } elsif ($kind eq 'file') {
                check_file($block, $rest);
            }
        }
        if (!@said && $block->{lang} =~ /^(c|cpp|python|cmake)$/) {
            problem("a block of $block->{lang}", "neither run nor said to be anything else; scripts/examples.pl has the remarks that say so:\n$block->{body}");
        }
    }
    run_parts(\@pieces, $_, @{$parts{$_}}) for @order;
    run_console($_, $folder) for grep { ref && $_->{lang} eq 'console' } @pieces;
    for my $block (grep { ref && $_->{lang} eq 'text' && !$_->{output} && $_->{remark} !~ /^shown/ } @pieces) {
        problem('a block of text', "is no output of the block before it, nor said to be only shown:\n$block->{body}");
    }
    compile_cells(@pieces) if grep { !ref && /^<!-- cells -->$/m } @pieces;
    check_numbers(@pieces) if grep { !ref && /^<!-- numbers -->$/m } @pieces;
    write_document($document, @pieces) if $update;
}

sub run_headers { # the examples in the comments of the public headers
    $document = 'include/ebb';
    my $text = `scripts/api.pl --examples`;
    return problem('examples', 'scripts/api.pl fails') if $?;
    utf8::decode($text) unless utf8::is_utf8($text);
    spew("$scratch/a.c", $text);
    my ($printed, $status) = command($scratch, "$cc -std=c11 -Wall -Wextra -Wno-unused -Werror -I$scratch/prefix/include -I$root a.c $libraries -o program && ./program 2>&1 > log; r=\$?; tail -1 log; exit \$r");
    return problem('examples', $printed) if $status;
    ($count{'examples of headers'}) = $printed =~ /(\d+) examples/;
}

for (@documents) { $document = $_; run_document() }
run_headers() unless @only;
print @problems;
my $counts = join ', ', map { "$count{$_} $_" } sort keys %count;
die "examples: ${\scalar @problems} problems; " . ($update ? '' : "./dev docs --update writes outputs anew\n") . "\n" if @problems;
print "examples: ${\scalar @documents} documents ($counts)\n";
