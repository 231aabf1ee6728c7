#!/usr/bin/env perl
# The LaTeX of `ebb explain`, compiled: no error, nothing undefined, nothing that stands out of the page by more than a
# little.   latex.pl EBB [FOLDER]   where EBB is the program; documents are left in FOLDER, where one is given. English by
# pdflatex, Chinese by xelatex with ctex. What is missing is skipped (77 when all is) and said.
use strict;
use warnings;
use File::Temp ();

my $ebb = shift // die "usage: latex.pl EBB [FOLDER]\n";
my $scratch = File::Temp->newdir();
my $folder = shift // "$scratch";
my %tex = (en => 'pdflatex', zh => 'xelatex');
my %has;
for my $lang (sort keys %tex) {
    my $found = grep { -x "$_/$tex{$lang}" } split /:/, $ENV{PATH};
    my $packages = $lang eq 'zh' ? 'ctex.sty' : 'amsmath.sty longtable.sty geometry.sty';
    $has{$lang} = $found && !grep { !length `kpsewhich $_ 2> /dev/null` } split / /, $packages;
    print "skipped: $lang needs $tex{$lang} with $packages\n" unless $has{$lang};
}
exit 77 unless grep { $_ } values %has;

my @documents = (
    ['scalar', 'z = x*y + sin(x)', 'x=2', 'y=3', '--order', 2, '--forward-mode'],
    ['network', 'h1 = W1 @ x + b1; h2 = relu(h1); h3 = W2 @ h2 + b2; yhat = W3 @ h3 + b3; L = sum((yhat - y)**2)', 'x=[1,2]', 'y=0.5',
        'W1=randn(2,2)', 'b1=randn(2)', 'W2=randn(2,2)', 'b2=randn(2)', 'W3=randn(1,2)', 'b3=randn(1)'],
    ['broadcast', 'A = x @ x.mT; L = sum(A * exp(-A), dim=(1, 2)) * w; sum(L)', 'x=randn(2,3,4)', 'w=[1,2]'],
    ['softmax', 'p = softmax(W @ x_hat + beta_1, dim=0); -log(p[2]) + norm(W)', 'W=randn(4,3)', 'x_hat=[1,-1,0.5]', 'beta_1=zeros(4)'],
    ['wide', 'y = x.view(8, 8) @ w_long_name; sum(where(y > 0, y, celu(y)) / (1 + y**2)**0.5)', 'x=randn(64)', 'w_long_name=randn(8,8)'],
    ['large', 'sum(tanh(x @ w)**2) + sum(logsumexp(w, 1))', 'x=randn(40,30)', 'w=randn(30,20)'],
    ['words', 'q, r = qr(x); u, s, v = svd(x); sum(q) + sum(s) + sum(repeat(x, (2, 1))) + sum(cat([x, x], 1))', 'x=randn(3,3)'],
    ['edge', "y = x / (x - x); z = sum(y) + sum(e) # 100% of {it} & \\more_of^it ~\$5", 'x=[1,0,-2]', 'e=zeros(0,3)'],
    ['deep', 'y = x' . join('', map { '; y = sin(y) * x' } 1 .. 80) . '; sum(y)', 'x=[0.3,0.5]'],
    ['ops', 'a = layer_norm(x, (4,), w, b); c = cumsum(a, 1)[:, ::2]; d = einsum("ij,kj->ik", c, c); sum(clamp(d, -1, 1) * gelu(d)) + det(d) + prod(w) + x.std()',
        'x=randn(2,4)', 'w=ones(4)', 'b=zeros(4)'],
);
push @documents, ['greek', 'θ_1 * ψ + Ärger*é; # → …', 'θ_1=1', 'ψ=[3,4]', 'Ärger=5', 'é=2'], ['names', '权重 * x + θ # 重', '权重=4', 'x=[2,3]', 'θ=1'];
my $bad = 0;
for my $document (@documents) {
    my ($name, @words) = @$document;
    for my $lang (grep { $has{$_} } qw(en zh)) {
        my ($file, $problems) = ("$name-$lang", '');
        open my $in, '-|:raw', $ebb, 'explain', @words, '--format', 'latex', '--lang', $lang or die "$ebb: $!\n";
        local $/;
        my $text = <$in>;
        close $in or die "$name: $ebb fails\n";
        open my $out, '>:raw', "$folder/$file.tex" or die "$file: $!\n";
        print $out $text;
        close $out;
        my $tex = $text =~ /ctex/ ? $tex{zh} : $tex{en};
        next if $text =~ /ctex/ && !$has{zh};
        for (1, 2) { # longtable settles its widths the second time
            system "cd '$folder' && $tex -interaction=nonstopmode -halt-on-error '$file.tex' > /dev/null 2>&1";
        }
        my $failed = $?;
        open my $log, '<:raw', "$folder/$file.log" or die "$file.log: $!\n";
        my $said = <$log> // '';
        $problems .= "  $1\n" while $said =~ /^(! .*)/mg;
        $problems .= "  $1\n" while $said =~ /^(Missing character: .*)/mg;
        while ($said =~ /^(Overfull \\hbox \((\d+)\.\d+pt too wide\).*)/mg) { $problems .= "  $1\n" if $2 > 10 }
        $problems ||= "  $tex fails\n" if $failed;
        print length $problems ? "FAILED: $file\n$problems" : "ok: $file\n";
        $bad ||= length $problems;
    }
}
exit($bad ? 1 : 0);
