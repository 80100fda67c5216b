package ShardTest::Replay;

# Days on a clock many times as fast as the real one: history as rows, then
# routers that send what the load says, to a predictor that has this clock.

use warnings;
use strict;

use Time::HiRes qw/ sleep time /;


# t (ShardTest), res, speed, load => sub (shard, epoch) of requests per second

sub new {
    my ($class, %args) = @_;

    return bless { routers => [qw/ edge-1 edge-2 /], %args }, $class;
}


# it is "epoch" now; the rows of so many days before are there, no more

sub begin {
    my ($self, $epoch, $days) = @_;

    my ($t, $res) = @$self{qw/ t res /};

    $self->{real_ms} = int(time() * 1000);
    $self->{epoch_s} = $epoch;
    $self->{router} = {};

    my @slots = $epoch / $res - $days * 86400 / $res .. $epoch / $res - 1;

    while (my @some = splice(@slots, 0, 500)) {
        $t->redis()->pipeline(map {
            my $slot = $_;
            ['SETRANGE', $t->key("rows:$res:$slot:0"), 0,
             pack('f<*', map { $self->{load}->($_, ($slot + 0.5) * $res) }
                  0 .. $t->{shards} - 1)]
        } @some);
    }
}


sub clock {
    my ($self, $ms) = @_;

    $ms = time() * 1000 if !defined $ms;
    return $self->{epoch_s} + ($ms - $self->{real_ms}) / 1000
           * $self->{speed};
}


# for the predictor's configuration

sub clock_yaml {
    my ($self) = @_;

    return "clock:\n  speed: $self->{speed}\n  real_ms: $self->{real_ms}\n"
           . "  epoch_s: $self->{epoch_s}\n";
}


sub entry {
    my ($name, $r, $end_ms, @counts) = @_;

    my $shards = join '', map {
        pack('V6Q<2V2', $_, $counts[$_], $counts[$_], 0, $counts[$_], 0, 0, 0,
             0, 0)
    } 0 .. $#counts;

    return 'SHM1' . pack('C/a Q<Q<Q<V v', $name, $r->{instance},
                         $r->{sequence}, $end_ms, $end_ms - $r->{end_ms}, 1)
           . pack('v V V', 1, 4 + length $shards, scalar @counts) . $shards;
}


# each router has its part of what came since it last said so

sub report {
    my ($self, $name) = @_;

    my $t = $self->{t};
    my $now = int(time() * 1000);
    my $r = $self->{router}{$name}
            ||= { instance => 1 + int(rand(1e9)), sequence => 0,
                  end_ms => $now };
    my $seconds = ($now - $r->{end_ms}) / 1000;

    return if $seconds < 0.1;

    my $middle = $self->clock($now - $seconds * 500);
    my @counts = map {
        my $exact = $self->{load}->($_, $middle) * $seconds
                    / @{ $self->{routers} } + ($r->{rest}[$_] || 0);
        $r->{rest}[$_] = $exact - int($exact);
        int($exact);
    } 0 .. $t->{shards} - 1;

    $r->{sequence}++;
    $t->redis()->command('XADD', $t->key('metrics'), '*', 'm',
                         entry($name, $r, $now, @counts));
    $r->{end_ms} = $now;
}


# the routers go on until the block gives something true

sub drive {
    my ($self, $seconds, $what, $code) = @_;

    my $until = time() + $seconds;

    while (time() < $until) {
        $self->report($_) for @{ $self->{routers} };

        my $value = $code->();
        return $value if $value;
        sleep(0.02);
    }

    die "not within $seconds s: $what\n";
}


1;
