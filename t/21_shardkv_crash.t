#!/usr/bin/perl

# shardkv under several writers: what a seal promises, what survives kill -9,
# what a full store refuses, how slow --capacity makes it, how it starts.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Temp qw/ tempdir /;
use IO::Socket::INET;
use JSON::PP;
use MIME::Base64;
use POSIX ();
use Test::More;
use Time::HiRes qw/ sleep time /;

use ShardKv;

my $WRITERS = 6;

# Writers append and put until they are refused or cut off; each prints what
# was acknowledged: "put KEY POSITION", "append KEY INDEX POSITION".

sub writers {
    my ($kv, $shard, $epoch, $keep_on) = @_;
    my @pipes;

    for my $w (1 .. $WRITERS) {
        pipe my $in, my $out or die "pipe: $!";
        my $pid = fork() // die "fork: $!";

        if ($pid) {
            close $out;
            push @pipes, [ $pid, $in ];
            next;
        }

        $out->autoflush(1);

        my $refused = 0;

        for my $i (1 .. 100000) {
            my $key = $i % 3 ? "w$w-$i" : "w$w";
            my $r = $i % 3
                ? $kv->routed($shard, $epoch, 'PUT', "/kv/$key", "v$i")
                : $kv->routed($shard, $epoch, 'POST', "/queue/$key", "e$i");

            last if $r->{status} == 599;

            if ($r->{status} == 421) {
                last if !$keep_on || ++$refused > 20;
                next;
            }

            die "status $r->{status}" if $r->{status} !~ /^20[04]$/;

            print $out $i % 3 ? "put $key $r->{position}\n"
                : "append $key $r->{json}{n} $r->{position}\n";
        }

        POSIX::_exit(0);
    }

    return \@pipes;
}


# lets them write at least that many, calls the block, collects all they said

sub collect {
    my ($pipes, $least, $then) = @_;
    my (@acks, $done);

    my $end = time() + 30;
    my %buf = map { $_->[1] => '' } @$pipes;
    my @open = map { $_->[1] } @$pipes;

    while (@open && time() < $end) {
        my $bits = '';
        vec($bits, fileno($_), 1) = 1 for @open;
        select(my $ready = $bits, undef, undef, 1);

        my @ready = grep { vec($ready, fileno($_), 1) } @open;

        for my $in (@ready) {
            my $n = sysread $in, $buf{$in}, 65536, length $buf{$in};
            @open = grep { $_ != $in } @open if !$n;
            push @acks, $1 while $buf{$in} =~ s/^(.*)\n//;
        }

        if (!$done && @acks >= $least) {
            $done = 1;
            $then->();
        }
    }

    kill 'KILL', map { $_->[0] } @open ? @$pipes : ();
    waitpid $_->[0], 0 for @$pipes;

    return \@acks;
}


# every acknowledged write is there, queues are whole and in order

sub all_there {
    my ($kv, $shard, $acks, $name) = @_;
    my (%value, %queue, %said);

    my $snapshot = $kv->call('GET', "/_shard/$shard/snapshot");

    for (map { decode_json($_) } split /\n/, $snapshot->{content}) {

        if (exists $_->{q}) {
            $queue{$_->{q}}{$_->{n}} = decode_base64($_->{v});
        } else {
            $value{$_->{k}} = decode_base64($_->{v});
        }
    }

    my ($lost, $twice) = (0, 0);

    for (@$acks) {
        my ($op, $key, @n) = split / /;
        my $there = $op eq 'put' ? $value{$key} : $queue{$key}{$n[0]};

        $lost++ if !defined $there;
        $twice++ if $said{"position $n[-1]"}++
                    || $op eq 'append' && $said{"$key $n[0]"}++;
    }

    is($lost, 0, "$name: none of " . @$acks . ' acknowledged writes is lost');
    is($twice, 0, "$name: no position or index was given twice");

    my $gaps = grep { my $q = $queue{$_}; !exists $q->{keys %$q} } keys %queue;
    is($gaps, 0, "$name: queues have no gaps");

    # one writer per queue: the entries' order is that of its counter

    my $wrong = 0;

    for my $q (values %queue) {
        my $last = 0;

        for (map { substr $q->{$_}, 1 } sort { $a <=> $b } keys %$q) {
            $wrong++ if $_ <= $last;
            $last = $_;
        }
    }

    is($wrong, 0, "$name: queues are in order");
}

###############################################################################
# a seal

my $kv = ShardKv->start();

$kv->role(5, 'primary', 1);

my $sealed;
my $acks = collect(writers($kv, 5, 1, 1), 600,
                   sub { $sealed = $kv->role(5, 'standby', 1) });

is($sealed->{json}{role}, 'standby', 'sealed under writers');

my $position = $sealed->{json}{position};
my @late = grep { /(\d+)$/; $1 > $position } @$acks;

cmp_ok($position, '>=', 600, 'after many writes');
is(scalar @late, 0, 'no write after the seal was acknowledged');
is($kv->call('GET', '/_shard/5/stats')->{json}{position}, $position,
   'the position of the seal is final');
all_there($kv, 5, $acks, 'seal');

is($kv->role(5, 'primary', 1)->{json}{position}, $position, 'unsealed');
is($kv->routed(5, 1, 'PUT', '/kv/again', 'x')->{position}, $position + 1,
   'and written again');

###############################################################################
# kill -9, three times over the same data

my @all;

for my $epoch (2 .. 4) {
    $kv->role(6, 'primary', $epoch);

    my $got = collect(writers($kv, 6, $epoch), 500, sub { $kv->kill9() });
    push @all, @$got;

    $kv->again();

    my $stats = $kv->call('GET', '/_shard/6/stats')->{json};

    is("$stats->{role} $stats->{epoch}", "primary $epoch",
       "killed in epoch $epoch: role and epoch as before");
    is($kv->routed(6, $epoch - 1, 'PUT', '/kv/x', 'x')->{status}, 421,
       'and it refuses as before');
}

# queue counters begin anew with each set of writers: order is checked above

{
    my %last;
    my $snapshot = $kv->call('GET', '/_shard/6/snapshot')->{content};
    my %there = map { $_->{q} ? ("$_->{q} $_->{n}", 1) : ($_->{k}, 1) }
                map { decode_json($_) } split /\n/, $snapshot;
    my @lost = grep { /^(?:append (\S+ \d+)|put (\S+)) \d+$/;
                      !$there{$1 // $2} } @all;

    is(scalar @lost, 0, 'killed: none of ' . @all
       . ' acknowledged writes is lost');
    is(scalar(grep { $last{$_}++ } map { /(\d+)$/ } @all), 0,
       'killed: no position was given twice');
}

# a snapshot broken by kill -9

{
    my $before = $kv->call('GET', '/_shard/5/digest')->{content};
    $kv->role(5, 'standby', 1);

    my $s = $kv->socket();
    print $s "PUT /_shard/5/snapshot HTTP/1.1\r\nHost: a\r\n"
             . "X-Shard-Position: 9\r\nContent-Length: 9999999\r\n\r\n"
             . join '', map { qq!{"k":"k$_","v":"! . 'QUJD' x 200 . qq!"}\n! }
               1 .. 2000;
    $s->flush();
    sleep 0.2;
    $kv->kill9();
    $kv->again();

    is($kv->call('GET', '/_shard/5/digest')->{content}, $before,
       'killed while a snapshot came in: the old data');
}

is($kv->stop(), 0, 'stopped cleanly');

###############################################################################
# a full store

$kv = ShardKv->start('--map-size' => '2m');
$kv->role(1, 'primary', 1);

my ($r, $n);

for ($n = 1; $n < 100; $n++) {
    $r = $kv->routed(1, 1, 'PUT', "/kv/big$n", 'x' x 100000);
    last if $r->{status} != 204;
}

is("$r->{status} $r->{code}", '507 full', 'full: 507');
cmp_ok($n, '>', 5, 'after some writes');
is($kv->call('GET', '/_shard/1/stats')->{json}{position}, $n - 1,
   'nothing half applied');
is($kv->routed(1, 1, 'GET', '/kv/big1')->{status}, 200, 'it still reads');
is($kv->routed(1, 1, 'DELETE', '/kv/big1')->{status}, 204, 'and deletes');
is($kv->role(1, 'standby', 1)->{status}, 200, 'and can be sealed');
is($kv->stop(), 0, 'stopped cleanly');

###############################################################################
# capacity

$kv = ShardKv->start('--capacity' => 50);
$kv->role(1, 'primary', 1);
is($kv->call('GET', '/_shard/1/stats')->{json}{capacity}, 50,
   'capacity in the stats');

my $start = time();
$kv->routed(1, 1, $_ % 2 ? 'GET' : 'PUT', '/kv/a', $_ % 2 ? undef : 'x')
    for 1 .. 51;
my $took = time() - $start;

cmp_ok($took, '>=', 0.99, 'capacity 50: 51 requests take a second');
cmp_ok($took, '<', 5, 'and not much more');

$start = time();
$kv->call('GET', '/health') for 1 .. 50;
$kv->call('GET', '/_shard/1/stats') for 1 .. 50;
cmp_ok(time() - $start, '<', 0.9, 'the data plane is not throttled');

# 700 at once: 500 fit into the queue of 10 s, the others are told so

{
    my $s = $kv->socket();
    my $get = "GET /kv/a HTTP/1.1\r\nHost: a\r\nX-Shard-Id: 1\r\n"
              . "X-Shard-Epoch: 1\r\nX-Shard-Role: primary\r\n";
    my @socks;

    for (1 .. 700) {
        push @socks, my $c = $kv->socket();
        print $c "${get}Connection: close\r\n\r\n";
        $c->flush();
    }

    my $line = readline($socks[-1]) // '';
    like($line, qr/^HTTP\/1\.1 503/, 'beyond 10 s of work: 503');
    my $rest = join '', readline($socks[-1]);
    like($rest, qr/Retry-After: 1\r/i, 'with Retry-After');

    $start = time();
    is($kv->stop(), 0, 'stopped cleanly with requests in the queue');
    cmp_ok(time() - $start, '<', 7, 'without serving them all first');
}

unlike($kv->log(), qr/panic|runtime error|AddressSanitizer/i, 'no complaint');

###############################################################################
# start

my $dir = tempdir(CLEANUP => 1);

sub run {
    my $pid = open(my $fh, '-|') // die "fork: $!";

    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        exec ShardKv::binary(), @_ or POSIX::_exit(127);
    }

    my $out = join '', <$fh>;
    close $fh;

    return ($? >> 8, $out);
}

my $taken = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')
    or die "listen: $!";
my $busy = '127.0.0.1:' . $taken->sockport();

for ([ 0, qr/usage: shardkv/, '--help' ],
     [ 2, qr/needed/ ],
     [ 2, qr/unknown option.*--nix/, '--nix' ],
     [ 2, qr/bad value "0" of --capacity/, '--listen', 'a:1', '--dir', $dir,
       '--capacity', 0 ],
     [ 2, qr/bad value "5" of --map-size/, '--listen', 'a:1', '--dir', $dir,
       '--map-size', 5 ],
     [ 2, qr/numeric/, '--listen', 'nowhere:1', '--dir', $dir ],
     [ 1, qr/cannot listen on \Q$busy\E.*in use/, '--listen', $busy, '--dir',
       $dir ],
     [ 1, qr!--dir /proc/nix!, '--listen', '127.0.0.1:0', '--dir',
       '/proc/nix' ])
{
    my ($want, $re, @args) = @$_;
    my ($status, $out) = run(@args);

    is($status, $want, "exit status $want: " . join ' ', @args);
    like($out, $re, 'and the message says why');
}

$kv = ShardKv->start();
my ($status, $out) = run('--listen', '127.0.0.1:0', '--dir',
                         "$kv->{dir}/data");
is($status, 1, 'a folder in use');
like($out, qr/in use by another shardkv/, 'and the message says so');
is($kv->stop(), 0, 'stopped cleanly');

done_testing();
