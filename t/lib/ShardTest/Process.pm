package ShardTest::Process;

# One program that a test started: its life, its signals, its log.
#
# Each runs in a process group of its own, so that stop() reaches nginx's
# workers too, and asks the kernel for TERM when the test itself dies.

use warnings;
use strict;

use POSIX qw/ WNOHANG /;
use Time::HiRes qw/ sleep time /;


# name, argv (array), log (file), env (hash), ready (sub, true when it serves),
# ends (it is meant to end by itself)

sub new {
    my ($class, %args) = @_;

    return bless { deadline => 20, env => {}, status => undef, %args }, $class;
}


sub start {
    my ($self) = @_;

    die "$self->{name} runs already\n" if $self->alive();

    my $pid = fork();
    die "cannot fork: $!\n" if !defined $pid;

    if ($pid == 0) {
        POSIX::setpgid(0, 0);
        open(STDIN, '<', '/dev/null');
        open(STDOUT, '>>', $self->{log}) or POSIX::_exit(126);
        open(STDERR, '>&', \*STDOUT);
        my @env = map { "$_=$self->{env}{$_}" } sort keys %{ $self->{env} };
        { exec('setpriv', '--pdeathsig', 'TERM', 'env', @env,
               @{ $self->{argv} }) }
        POSIX::_exit(127);
    }

    POSIX::setpgid($pid, $pid);

    $self->{pid} = $pid;
    $self->{status} = undef;
    $self->{asked} = 0;

    $self->wait_ready();
    return $self;
}


sub wait_ready {
    my ($self) = @_;

    return if !$self->{ready};

    my $until = time() + $self->{deadline};

    while (time() < $until) {
        die "$self->{name} ended at once (" . $self->ended() . "):\n"
            . $self->tail() if !$self->alive();
        return if $self->{ready}->();
        sleep(0.01);
    }

    die "$self->{name} does not serve after $self->{deadline} s:\n"
        . $self->tail();
}


sub alive {
    my ($self) = @_;

    return 0 if !$self->{pid} || defined $self->{status};

    local ($?, $!);

    if (waitpid($self->{pid}, WNOHANG) == $self->{pid}) {
        $self->{status} = $?;
        return 0;
    }

    return 1;
}


sub pid {
    my ($self) = @_;
    return $self->{pid};
}


# how it ended, in words; "running" while it does

sub ended {
    my ($self) = @_;

    return 'running' if $self->alive() || !defined $self->{status};

    my $signal = $self->{status} & 127;
    return $signal ? "signal $signal" : 'status ' . ($self->{status} >> 8);
}


# a signal to the program itself; "asked" ones are no crash

sub signal {
    my ($self, $signal) = @_;

    $self->{asked} = 1 if $signal =~ /^(TERM|INT|QUIT|KILL)$/;
    kill($signal, $self->{pid}) if $self->alive();
    return $self;
}


# by a signal, and not gone on yet

sub is_stopped {
    my ($self) = @_;

    open(my $f, '<', "/proc/$self->{pid}/stat") or return 0;
    return (readline($f) // '') =~ /^\d+ \(.*\) T /;
}


sub wait_end {
    my ($self, $seconds) = @_;

    my $until = time() + $seconds;

    while (time() < $until) {
        return 1 if !$self->alive();
        sleep(0.01);
    }

    return 0;
}


# politely first; what is left of the group after 10 s is killed

sub stop {
    my ($self, $signal) = @_;

    return $self if !$self->{pid};

    $self->signal('CONT');
    $self->signal($signal || $self->{stop} || 'TERM');

    if (!$self->wait_end(10)) {
        $self->{stuck} = 1;
    }

    $self->kill();
    return $self;
}


# kill -9, the whole group

sub kill {
    my ($self) = @_;

    return $self if !$self->{pid};

    $self->{asked} = 1;
    CORE::kill('KILL', -$self->{pid});
    $self->wait_end(10);
    return $self;
}


sub restart {
    my ($self) = @_;

    return $self->stop()->start();
}


# true when it ended although nobody asked it to

sub crashed {
    my ($self) = @_;

    return 0 if !$self->{pid} || $self->alive();
    return $self->{status} & 127 if $self->{ends} && !$self->{asked};
    return !$self->{asked};
}


# pids of its children: nginx's workers

sub children {
    my ($self) = @_;

    my @found;

    for my $stat (glob '/proc/[0-9]*/stat') {
        open(my $f, '<', $stat) or next;
        my $line = readline($f);
        next if !defined $line;
        push @found, $1 if $line =~ /^(\d+) \(.*\) [^ZX] (\d+) /
                           && $2 == $self->{pid};
    }

    @found = sort { $a <=> $b } @found;
    return @found;
}


sub log_text {
    my ($self) = @_;

    open(my $f, '<', $self->{log}) or return '';
    local $/;
    my $text = readline($f);
    return defined $text ? $text : '';
}


sub tail {
    my ($self) = @_;

    my @lines = split /^/, $self->log_text();
    splice(@lines, 0, @lines - 20) if @lines > 20;
    return join '', map { "    $_" } @lines;
}


1;
