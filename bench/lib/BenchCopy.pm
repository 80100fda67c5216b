package BenchCopy;

# The copy of a shard from one shardkv to another by the migrator, driver http.
#
#   speed      a shard of 1 GB in values of 64 KB, and one of a million small
#              ones (16 bytes); from the phase "copy" to "catch-up" by the
#              migration's own trail, with a migrator that knows no bound.
#              Bytes are those of the values, not of the lines.
#   hold_ms    of the same migrations: what comparing a large shard costs
#              while requests wait
#   p99        1,000 requests a second, on time whatever the answers (70 %
#              reads, 30 % writes of a shard of their own) to the source; the
#              99th percentile of windows of 3 s before and within the copy of
#              another shard, in turn; the ratio of neighbours, its median.
#              By a migrator as it is by default, and how fast it copies
#              within the same windows.  The target has a disk of its own
#              there: it is in /dev/shm.

use warnings;
use strict;

use File::Temp qw(tempdir);
use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP;
use MIME::Base64;
use Time::HiRes qw(sleep time);

use BenchCpu;
use BenchServers;

use Exporter qw(import);

our @EXPORT = qw(copy_of);

my $wishes = 0;


sub node {
    my ($t, $name, $dir) = @_;

    my $port = ShardTest::free_port();

    $dir ||= $t->dir() . "/$name";
    mkdir $dir;
    $t->{nodes}{$name} = { name => $name, addr => "127.0.0.1:$port", zone => 'z1',
                           capacity => 1000000 };
    $t->add(name => $name, deadline => 60,
            argv => [ $t->program('shardkv'), '--listen', "127.0.0.1:$port", '--dir', $dir,
                      '--name', $name, '--map-size', '8g' ],
            ready => sub { ShardTest::listens("127.0.0.1:$port") });
}


sub call {
    my ($t, $name, $method, $path, $body) = @_;

    my $got = HTTP::Tiny->new(timeout => 60)->request(
        $method, "http://$t->{nodes}{$name}{addr}$path", { content => $body // '' });
    die "bench: $method $path at $name: $got->{status} $got->{content}\n" if !$got->{success};
    return $got->{content};
}


# "items" of "size" bytes into a shard of node c1, as one snapshot

sub fill {
    my ($t, $shard, $items, $size) = @_;

    my $s = IO::Socket::INET->new($t->{nodes}{c1}{addr}) or die "bench: c1: $!\n";
    my $n = 0;

    call($t, 'c1', 'PUT', "/_shard/$shard/role", '{"role":"standby","epoch":1}');
    print $s "PUT /_shard/$shard/snapshot HTTP/1.1\r\nHost: a\r\nX-Shard-Position: 1000\r\n"
             . "Transfer-Encoding: chunked\r\n\r\n";

    while ($n < $items) {
        my $lines = '';

        while ($n < $items && length $lines < 500_000) {
            my $value = pack('NN', $n, $shard) x ($size / 8);
            $lines .= "{\"k\":\"key$n\",\"v\":\"" . encode_base64($value, '') . "\"}\n";
            $n++;
        }

        printf $s "%x\r\n%s\r\n", length $lines, $lines;
    }

    print $s "0\r\n\r\n";
    my $status = readline($s) // '';
    die "bench: filling shard $shard: $status\n" if $status !~ / 204 /;
    call($t, 'c1', 'PUT', "/_shard/$shard/role", '{"role":"primary","epoch":1}');
}


sub migrator {
    my ($t, $name, $copy) = @_;

    $t->start_daemon('shard-migrator', $name,
        "keyspace: $t->{keyspace}\nname: $name\nredis:\n  addr: " . $t->redis_addr()
        . "\nscan: 20ms\ncopy:\n  parts_from: 0\n$copy"
        . "gate:\n  probes: 5\n  latency_floor: 10s\nhold:\n  timeout: 10s\n"
        . "claim:\n  cutover_ttl: 10s\n");
}


sub decide {
    my ($t, $shard, $to) = @_;

    my $rec = $t->shard_record($shard);
    my $id = sprintf '%016x', 0xbe4c0 + ++$wishes;

    $t->redis()->command('XADD', $t->key('decisions'), '*', id => $id, verb => 'move',
        shard => $shard, from => $rec->{primary}, to => $to, epoch => $rec->{epoch},
        by => 'operator:bench', mode => 'act', reason => '{}', decided_ms => int(time() * 1000));
    return $id;
}


sub migration { my ($t, $id) = @_; return $t->redis()->hash($t->key("migration:$id")) }


sub arrive {
    my ($t, $id) = @_;

    ShardTest::wait_for { (migration($t, $id)->{phase} || '') =~ /^(done|rolled-back)$/ }
        600, "the end of migration $id";

    my $m = migration($t, $id);
    die "bench: $id: $m->{error}\n" if $m->{phase} ne 'done';
    my %at = $m->{trail} =~ /(\S+?)@(\d+)/g;
    $m->{copy_s} = ($at{'catch-up'} - $at{copy}) / 1000;
    return $m;
}


# p99 of a window of the foreground load

sub window {
    my ($t, $url, $seconds) = @_;

    my $file = $t->dir() . '/window.json';

    # its status tells of answers, which do not matter; its report is there

    unlink $file;
    $t->run($t->program('shardload'),
        '--url', $url, '--rate', 1000, '--seconds', $seconds,
        '--shards', 1, '--mix', '70,30,0', '--keys', 1000, '--connections', 32, '--quiet',
        '--report', $file);

    my $report = decode_json(ShardTest::slurp($file));
    return $report->{latency}{p99_ms};
}


# seconds so far, of all threads

sub cpu {
    my ($t) = @_;

    return map {
        my $stat = ShardTest::slurp('/proc/' . $t->process($_)->pid() . '/stat');
        my @fields = split ' ', $stat =~ s/^.*\) //sr;
        ($_ => ($fields[11] + $fields[12]) / 100)
    } qw(c1 c2 fast);
}


sub copy_of {
    my ($t, %args) = @_;

    my %got;

    my $memory = -w '/dev/shm' ? tempdir('bench.XXXXXX', DIR => '/dev/shm', CLEANUP => 1) : undef;

    node($t, $_) for qw(c1 c2);
    node($t, 'c3', $memory);
    $t->{shards} = 4;
    $t->seed(nodes => [ qw(c1 c2 c3) ], place => sub { 'c1' });
    migrator($t, 'fast', "  rate: 0\n  latency_ratio: 0\n");

    for my $kind ([ large => 0, $args{large}, 65536 ], [ small => 1, $args{small}, 16 ]) {
        my ($name, $shard, $items, $size) = @$kind;

        progress("filling a shard with $items values of $size bytes");
        fill($t, $shard, $items, $size);

        my %before = cpu($t);
        my $m = arrive($t, decide($t, $shard, 'c2'));
        my %after = cpu($t);
        $got{$name} = { items => $items, value_bytes => $size, copy_s => $m->{copy_s},
                        hold_ms => $m->{hold_ms} + 0, mb_per_s => int($items * $size / $m->{copy_s} / 1e6),
                        items_per_s => int($items / $m->{copy_s}),
                        cpu_s => { map { $_ => BenchCpu::round($after{$_} - $before{$_}, 2) } keys %after } };
        progress("$name: $got{$name}{mb_per_s} MB/s, $got{$name}{items_per_s} items/s, "
                 . "held $m->{hold_ms} ms; CPU s: source $got{$name}{cpu_s}{c1}, target "
                 . "$got{$name}{cpu_s}{c2}, migrator $got{$name}{cpu_s}{fast}");
    }

    $t->process('fast')->stop();

    if ($args{rounds}) {
        my $front = front($t);

        fill($t, 2, $args{small}, 16);
        $got{foreground} = {
            large => foreground($t, $front, %args, shard => 0, items => $args{large}, size => 65536),
            small => foreground($t, $front, %args, shard => 2, items => $args{small}, size => 16),
        };
    }

    return \%got;
}


# the shard that moves leaves c1 for c3, and comes back; what it left behind is
# given up, so that it is copied each time

sub foreground {
    my ($t, $front, %args) = @_;

    my (@before, @within, @ratio, @speed);

    my ($shard, $name) = ($args{shard}, "kind$args{shard}");
    migrator($t, $name, $args{copy} || '');

    for my $round (1 .. $args{rounds}) {
        if ($t->shard_record($shard)->{primary} ne 'c1') {
            arrive($t, decide($t, $shard, 'c1'));
        }

        give_up($t, $shard, $_) for qw(c2 c3);
        push @before, window($t, $front, $args{seconds});

        my $id = decide($t, $shard, 'c3');
        ShardTest::wait_for { (migration($t, $id)->{phase} || '') eq 'copy' } 60, 'copy';
        my ($bytes, $began) = (migration($t, $id)->{bytes}, time());
        push @within, window($t, $front, $args{seconds});

        my $then = migration($t, $id);
        my $took = time() - $began;
        my $m = arrive($t, $id);
        push @ratio, $within[-1] / $before[-1];
        push @speed, ($then->{bytes} - $bytes) / $m->{bytes} * $args{items} / $took;
        progress(sprintf 'values of %d bytes, round %d: p99 %.2f ms before, %.2f within, ratio %.2f; '
                         . '%.0f MB/s, %.0f items/s%s, gave way %d times; load of the machine %s',
                 $args{size}, $round, $before[-1], $within[-1], $ratio[-1],
                 $speed[-1] * $args{size} / 1e6, $speed[-1],
                 $then->{phase} ne 'copy' ? ' (the copy is shorter than the window)' : '',
                 $m->{copy_backoffs}, (split ' ', ShardTest::slurp('/proc/loadavg'))[0]);
    }

    $t->process($name)->stop();
    my $speed = BenchCpu::median(@speed);
    return { before_p99_ms => BenchCpu::median(@before), within_p99_ms => BenchCpu::median(@within),
             ratio => BenchCpu::round(BenchCpu::median(@ratio), 2), rounds => $args{rounds},
             mb_per_s => int($speed * $args{size} / 1e6), items_per_s => int($speed) };
}


sub give_up {
    my ($t, $shard, $name) = @_;

    my $epoch = $t->shard_record($shard)->{epoch};

    $t->commit_shards({ standbys => undef }, $shard);
    call($t, $name, 'PUT', "/_shard/$shard/role", "{\"role\":\"$_\",\"epoch\":$epoch}")
        for qw(standby none);
}


# what a router says of shard 3, by an nginx that knows no other

sub front {
    my ($t) = @_;

    my $dir = $t->dir() . '/front';
    my $port = ShardTest::free_port();

    mkdir $dir;
    ShardTest::spew("$dir/nginx.conf", BenchServers::frame($dir, <<"CONF", '', 1024));
    keepalive_requests 100000000;
    upstream c1 { server $t->{nodes}{c1}{addr}; keepalive 64; keepalive_requests 100000000; }
    server {
        listen 127.0.0.1:$port;
        location / {
            proxy_pass http://c1;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header X-Shard-Id 3;
            proxy_set_header X-Shard-Epoch 1;
            proxy_set_header X-Shard-Role primary;
        }
    }
CONF
    BenchServers::start_nginx($t, 'front', $dir, $port);
    return "http://127.0.0.1:$port";
}


1;
