# A real browser without a window, Chromium, driven through its pipe: pages are opened at any width and in any mode, keys are
# pressed as a keyboard would, scripts and the tree that screen readers get are read, pictures are taken.
package browser;
use strict;
use warnings;
use utf8;
use Encode qw(encode decode);
use File::Temp ();
use JSON::PP;
use MIME::Base64 qw(decode_base64);
use POSIX ();

my $json = JSON::PP->new->utf8->allow_nonref;

sub found { return grep { -x } map { my $name = $_; map { "$_/$name" } split /:/, $ENV{PATH} } qw(chromium chromium-browser google-chrome) }

sub new {
    my ($class, @options) = @_;
    my ($program) = found();
    my $self = bless { n => 0, rest => '', profile => File::Temp->newdir() }, $class;
    pipe(my $from_us, $self->{to}) && pipe($self->{from}, my $to_us) or die "pipe: $!\n";
    $self->{pid} = fork // die "fork: $!\n";
    if (!$self->{pid}) { # its ends are 3 and 4, which none of the four may be at the time
        my @ends = map { my $fd = $_; $fd = POSIX::dup($fd) while $fd < 5; $fd } fileno $from_us, fileno $to_us;
        POSIX::dup2($ends[0], 3);
        POSIX::dup2($ends[1], 4);
        CORE::open $_, '>', '/dev/null' for *STDOUT, *STDERR;
        exec $program, qw(--headless --no-sandbox --disable-gpu --hide-scrollbars --no-first-run --remote-debugging-pipe), "--user-data-dir=$self->{profile}", @options, 'about:blank' or POSIX::_exit(1);
    }
    close $_ for $from_us, $to_us;
    binmode $_, ':raw' for $self->{to}, $self->{from};
    $self->{to}->autoflush(1);
    my $target = $self->call('Target.createTarget', { url => 'about:blank' })->{targetId};
    $self->{session} = $self->call('Target.attachToTarget', { targetId => $target, flatten => JSON::PP::true })->{sessionId};
    $self->call($_) for qw(Page.enable Runtime.enable);
    return $self;
}

sub DESTROY {
    my ($self) = @_;
    local ($?, $@, $!);
    eval { print { $self->{to} } $json->encode({ id => ++$self->{n}, method => 'Browser.close' }), "\0" };
    for (1 .. 100) {
        return if waitpid $self->{pid}, POSIX::WNOHANG();
        select undef, undef, undef, 0.05;
    }
    kill 'KILL', $self->{pid};
    waitpid $self->{pid}, 0;
}

sub message {
    my ($self) = @_;
    until ($self->{rest} =~ /\0/) { # a page may be megabytes: read in large pieces
        sysread($self->{from}, $self->{rest}, 1 << 20, length $self->{rest}) or die "chromium is gone\n";
    }
    my $at = index $self->{rest}, "\0";
    my $text = substr $self->{rest}, 0, $at, '';
    substr $self->{rest}, 0, 1, '';
    return $json->decode($text);
}

# One command of the DevTools protocol, and what it gives.
sub call {
    my ($self, $method, $parameters) = @_;
    my $id = ++$self->{n};
    print { $self->{to} } $json->encode({ id => $id, method => $method, params => $parameters // {}, $self->{session} ? (sessionId => $self->{session}) : () }), "\0";
    while (1) {
        my $m = $self->message();
        push @{ $self->{errors} }, $m->{params}{exceptionDetails}{exception}{description} // $m->{params}{exceptionDetails}{text} if ($m->{method} // '') eq 'Runtime.exceptionThrown';
        next unless ($m->{id} // 0) == $id;
        die "$method: $m->{error}{message}\n" if $m->{error};
        return $m->{result};
    }
}

# What a script's expression is, awaited where it is a promise.
sub ask {
    my ($self, $expression) = @_;
    my $r = $self->call('Runtime.evaluate', { expression => $expression, returnByValue => JSON::PP::true, awaitPromise => JSON::PP::true });
    die "the page: $r->{exceptionDetails}{exception}{description}\n" if $r->{exceptionDetails};
    return $r->{result}{value};
}

# Open a page: width and height in CSS pixels, phone, dark, still (reduced motion), scale; ready: an expression that tells when it is.
sub open {
    my ($self, $url, %how) = @_;
    $self->{errors} = [];
    $self->call('Page.navigate', { url => 'about:blank' }); # another #part of a page is a page of its own here
    $self->call('Emulation.setDeviceMetricsOverride', { width => 0 + ($how{width} // 1280), height => 0 + ($how{height} // 1000), deviceScaleFactor => 0 + ($how{scale} // 1), mobile => $how{phone} ? JSON::PP::true : JSON::PP::false });
    $self->call('Emulation.setEmulatedMedia', { features => [{ name => 'prefers-color-scheme', value => $how{dark} ? 'dark' : 'light' }, { name => 'prefers-reduced-motion', value => $how{still} ? 'reduce' : 'no-preference' }] });
    $self->call('Page.navigate', { url => $url });
    my $ready = $how{ready} // "document.body && document.body.dataset.ready";
    $self->wait("location.href !== 'about:blank' && ($ready)");
    return $self;
}

# Wait until an expression is true, half a minute unless given in twentieths of a second; tells whether it came true.
sub wait {
    my ($self, $expression, $times) = @_;
    for (1 .. $times // 600) {
        return 1 if eval { $self->ask("!!($expression)") };
        select undef, undef, undef, 0.05;
    }
    return 0;
}

sub dom { my ($self) = @_; return $self->ask('document.documentElement.outerHTML') }

my %codes = (ArrowLeft => 37, ArrowUp => 38, ArrowRight => 39, ArrowDown => 40, Home => 36, End => 35, Tab => 9, Enter => 13, ' ' => 32, Escape => 27);
sub key {
    my ($self, $name, $shift) = @_;
    my %key = (key => $name, code => $name eq ' ' ? 'Space' : $name, windowsVirtualKeyCode => $codes{$name}, modifiers => $shift ? 8 : 0);
    my $text = $name eq ' ' ? ' ' : $name eq 'Enter' ? "\r" : undef;
    $self->call('Input.dispatchKeyEvent', { type => defined $text ? 'keyDown' : 'rawKeyDown', %key, defined $text ? (text => $text) : () });
    $self->call('Input.dispatchKeyEvent', { type => 'keyUp', %key });
}

# Move the mouse to the middle of an element.
sub point {
    my ($self, $selector) = @_;
    my ($x, $y) = @{ $self->ask("(r => [r.x + r.width / 2, r.y + r.height / 2])((e => (e.scrollIntoView({block: 'nearest'}), e.getBoundingClientRect()))(document.querySelector('$selector')))") };
    $self->call('Input.dispatchMouseEvent', { type => 'mouseMoved', x => 1, y => 1 }); # from elsewhere, so that it enters
    $self->call('Input.dispatchMouseEvent', { type => 'mouseMoved', x => $x, y => $y });
}

sub picture {
    my ($self, $path) = @_;
    my $png = decode_base64($self->call('Page.captureScreenshot', { format => 'png' })->{data});
    CORE::open my $out, '>:raw', $path or die "$path: $!\n";
    print $out $png;
    close $out;
}

1;
