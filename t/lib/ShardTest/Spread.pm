package ShardTest::Spread;

# Distributions of shards' keys in the bytes that docs/redis-keys.md says, and
# metrics of all shards that let time pass for a predictor on a fast clock.

use warnings;
use strict;

use Exporter qw/ import /;
use Time::HiRes qw/ sleep time /;

our @EXPORT = qw/ spread drive /;


sub varint {
    my ($n) = @_;

    my $out = '';

    while ($n > 127) {
        $out .= chr($n % 128 | 128);
        $n >>= 7;
    }

    return $out . chr($n);
}


# of a difference in 64 bits

sub zigzag {
    my ($to, $from) = @_;

    my $more = $to >= $from ? $to - $from : ~($from - $to) + 1;

    return $more >> 63 ? 2 * (~$more) + 1 : 2 * $more;
}


# pieces are [ position, width, load ], keys [ position, load, share of writes ]:
# they are pieces as well

sub spread {
    my ($at_s, $skip, $pieces, @keys) = @_;

    my ($out, $before, $heavy) = ('', 0, '');
    my @pieces = (@$pieces, map { [ $_->[0], 1, $_->[1] ] } @keys);

    for (@keys) {
        my ($at, $load, $writes) = @$_;
        $heavy .= pack('Q<Q<f<f<f<', $at, $at, $load, 0, $load * $writes);
    }

    for (sort { $a->[0] + $a->[1] / 2 <=> $b->[0] + $b->[1] / 2 } @pieces) {
        my ($at, $width, $load) = @$_;
        $out .= varint(zigzag($at, $before)) . varint($width - 1) . pack('f<', $load);
        $before = $at;
    }

    return 'SHS1' . pack('CCS<d<f<f<', $skip, scalar @keys, scalar @pieces, $at_s, 1, 0)
           . $out . $heavy;
}


# one router's entry of all shards since the last one; $clock has real_ms,
# epoch_s, speed and load->(shard, epoch second)

sub pass_time {
    my ($t, $clock) = @_;

    my $now = int(time() * 1000);
    my $since = $clock->{sent_ms} //= $clock->{real_ms};

    return if $now - $since < 100;

    my $middle = $clock->{epoch_s}
                 + (($now + $since) / 2 - $clock->{real_ms}) / 1000 * $clock->{speed};
    my @ids = sort { $a <=> $b } @{ $t->redis()->command('HKEYS', $t->key('table')) };
    my $shards = '';

    for (@ids) {
        my $exact = $clock->{load}->($_, $middle) * ($now - $since) / 1000
                    + ($clock->{rest}{$_} // 0);
        my $n = int($exact);

        $clock->{rest}{$_} = $exact - $n;
        $shards .= pack('V6Q<2V2', $_, $n, $n, 0, $n, 0, 0, 0, 0, 0);
    }

    $t->redis()->command('XADD', $t->key('metrics'), '*', 'm',
        'SHM1' . pack('C/a Q<Q<Q<V v', 'edge', 7, ++$clock->{sequence}, $now, $now - $since, 1)
        . pack('v V V', 1, 4 + length $shards, scalar @ids) . $shards);
    $clock->{sent_ms} = $now;
}


# time passes until the block is true

sub drive (&$$$$) {
    my ($code, $t, $clock, $seconds, $what) = @_;

    my $until = time() + $seconds;

    while (time() < $until) {
        pass_time($t, $clock);

        my $value = $code->();
        return $value if $value;
        sleep(0.05);
    }

    die "not within $seconds s: $what\n";
}


1;
