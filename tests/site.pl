#!/usr/bin/env perl
# The search of the built site in a real browser: words are typed, and what is found is looked at and gone to.
# site.pl FOLDER   Skipped where there is no Chromium. "./dev docs" calls it.
use strict;
use warnings;
use utf8;
use Cwd qw(abs_path);
use FindBin;
use lib $FindBin::Bin;
use browser;

binmode STDOUT, ':utf8';
@ARGV == 1 or die "usage: site.pl FOLDER\n";
my $site = abs_path($ARGV[0]);
if (!browser::found()) { print "skipped: no Chromium\n"; exit }
my $browser = browser->new('--allow-file-access-from-files'); # the index is fetched
my $bad = 0;
for my $try (
    ['index.html', 'checkpoint', 'chapter/checkpointing.html'],
    ['index.html', 'ebb_keep', 'api/base.html'],
    ['chapter/graph.html', 'forward mode', 'adr/0008-forward-mode.html'],
    ['index.html', 'zyzzyva', ''],
    ['zh/index.html', '检查点', 'zh/chapter/checkpointing.html'],
    ['zh/chapter/graph.html', '反向传播', 'zh/from-scratch.html'],
    ['zh/index.html', '怎样从零开始写自动微分', 'zh/from-scratch.html'],
    ['zh/index.html', 'ebb_keep', 'zh/pytorch.html'],
) {
    my ($page, $words, $wanted) = @$try;
    $browser->open("file://$site/$page", ready => 'document.readyState === "complete"');
    $browser->ask('document.querySelector(".md-search__input").focus()');
    $browser->call('Input.insertText', { text => $words });
    my $answered = 'document.querySelector(".md-search-result__item") || /\\d|没有|No /.test(document.querySelector(".md-search-result__meta").textContent)';
    for (1 .. 20) { # the search takes a while to start, and listens to keys
        $browser->key('End');
        last if $browser->wait($answered, 10);
    }
    my $found = $browser->ask('[...document.querySelectorAll(".md-search-result__item a:first-of-type")].map(a => a.pathname)');
    my %place = map { ($found->[$_] => $_ + 1) } reverse 0 .. $#$found;
    my $at = $wanted ? $place{"$site/$wanted"} : undef;
    my $right = $wanted ? $at && $at <= 8 : !@$found;
    if ($at && $at == 1) { # the first is a key away
        $browser->key($_) for qw(ArrowDown Enter);
        $right &&= $browser->wait("location.pathname === '$site/$wanted'", 100);
    }
    print $right ? 'ok' : 'FAILED', ": $page, \"$words\": ", $wanted ? "$wanted is " . ($at // 'not there') . ' of ' . @$found : 'nothing is found', "\n";
    $bad ||= !$right;
}
exit $bad;
