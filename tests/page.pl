#!/usr/bin/env perl
# The page in a real browser: opened, walked to its end step by step, and the gradients that it shows then compared with
# the engine's.   page.pl EBB   where EBB is the program. Skipped (77) where there is no Chromium or no Graphviz.
use strict;
use warnings;
use utf8;
use File::Temp ();
use JSON::PP;

my $ebb = shift // die "usage: page.pl EBB\n";
my ($browser) = grep { -x } map { my $name = $_; map { "$_/$name" } split /:/, $ENV{PATH} } qw(chromium chromium-browser google-chrome);
sub skip { print "skipped: $_[0]\n"; exit 77 }
skip('no Chromium') unless $browser;
skip('no Graphviz') unless grep { -x "$_/dot" } split /:/, $ENV{PATH};
my $folder = File::Temp->newdir();
my $bad = 0;
sub check { my ($ok, $what) = @_; print $ok ? "ok: $what\n" : "FAILED: $what\n"; $bad ||= !$ok }

sub written {
    my ($name, @command) = @_;
    open my $in, '-|:raw', @command or die "$command[0]: $!\n";
    local $/;
    my $text = <$in>;
    close $in or die "@command fails\n";
    open my $out, '>:raw', "$folder/$name" or die "$name: $!\n";
    print $out $text;
    close $out;
    return $text;
}

# The page's elements after its script has run.
sub opened {
    my ($url) = @_;
    my @command = ('timeout', '300', $browser, qw(--headless --no-sandbox --disable-gpu --virtual-time-budget=20000),
        "--user-data-dir=$folder/profile", '--dump-dom', $url);
    open my $in, '-|:encoding(UTF-8)', 'sh', '-c', 'exec "$@" 2> /dev/null', 'sh', @command or die "chromium: $!\n";
    local $/;
    my $dom = <$in>;
    close $in;
    return $dom // '';
}

sub unescaped { my ($text) = @_; $text =~ s/&quot;/"/g; $text =~ s/&lt;/</g; $text =~ s/&gt;/>/g; $text =~ s/&amp;/&/g; return $text }

sub gradients_shown { my ($dom) = @_; return map { unescaped($_) } $dom =~ /<tr data-name="([^"]*)" data-gradient="([^"]*)"/g }

my @graphs = (
    ['two paths', 'z = x*y + sin(x)', 'x=2', 'y=3'],
    ['network', 'L = sum((W3 @ (W2 @ relu(W1 @ x + b1) + b2) + b3 - y)**2)', 'x=[1,2]', 'y=0.5', 'W1=randn(2,2)', 'b1=randn(2)',
        'W2=randn(2,2)', 'b2=randn(2)', 'W3=randn(1,2)', 'b3=randn(1)'],
    ['broadcast, reduced, batched', 'A = x @ x.mT; L = sum(A * exp(-A), dim=(1, 2)) * w; sum(L)', 'x=randn(2,3,4)', 'w=[1,2]'],
);
for my $graph (@graphs) {
    my ($name, @what) = @$graph;
    my $report = decode_json(written('report.json', $ebb, 'explain', @what, '--format', 'json'));
    my $page = written('page.html', $ebb, 'explain', @what, '--format', 'html');
    check($page !~ m{(?:src|href)=|https?://(?!www\.w3\.org)}, "$name: nothing is fetched");
    for my $lang ($name eq 'network' ? ('en', 'zh') : 'en') {
        my $dom = opened("file://$folder/page.html#walk=1&lang=$lang");
        check($dom =~ /<body[^>]*data-end="1"[^>]*data-ready="1"|<body[^>]*data-ready="1"[^>]*data-end="1"/, "$name, $lang: the page is walked to its end");
        my %shown = gradients_shown($dom);
        my $same = 1;
        for my $g (@{ $report->{gradients} }) {
            my $seen = exists $shown{ $g->{name} } ? decode_json($shown{ $g->{name} }) : [];
            my $engine = $g->{value}{data};
            $same &&= @$seen == @$engine && !grep { $seen->[$_] != $engine->[$_] } 0 .. $#$engine;
        }
        check($same && @{ $report->{gradients} } == keys %shown, "$name, $lang: " . keys(%shown) . ' gradients are the engine\'s');
    }
    my $dom = opened("file://$folder/page.html");
    check(!gradients_shown($dom) && $dom =~ /data-step="0"/, "$name: no gradient is shown before the first step");
}

written('chapter.html', $ebb, 'chapter', '--html');
for my $i (0 .. 2) {
    my %shown = gradients_shown(opened("file://$folder/chapter.html#page=$i&walk=1"));
    check(keys %shown == (2, 3, 8)[$i], "chapter, example @{[$i + 1]}: all gradients are there");
}

my $long = 'y = x' . join('', map { $_ % 2 ? '; y = sin(y) + x*y' : '; y = y*0.5 + x' } 1 .. 1700) . '; sum(y)';
written('long.html', $ebb, 'explain', $long, 'x=[0.3,0.5]', '--format', 'html');
my $nodes = decode_json(written('long.json', $ebb, 'explain', $long, 'x=[0.3,0.5]', '--format', 'json'))->{nodes};
for my $step (1, 'end') {
    my $dom = opened("file://$folder/long.html#step=$step");
    check($dom =~ /data-ready="1"/ && ($step eq 'end' ? $dom =~ /data-end="1"/ : $dom =~ /data-step="$step"/), @$nodes . " nodes: opens at step $step");
}
exit $bad;
