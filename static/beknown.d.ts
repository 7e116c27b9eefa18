// beknown.d.ts: what a page may call, for TypeScript. Add it to your project, or name it at the top of a file:
//
//   /// <reference path="./beknown.d.ts" />
//
// Rules:
// - No call throws or blocks, and every one may be made before Python is up: it is kept, and run in order.
// - Until the tag's script has loaded there is only what `beknown snippet --inline` put there: the calls without an
//   answer. `window.beknown?.capture("...")` is right everywhere.

export {};

declare global {
  /** The tag, under its usual name (`data-global` chooses another). */
  const beknown: Beknown.Client;

  interface Window {
    /** Absent until the tag's script, or the inline stub before it, has run. */
    beknown?: Beknown.Client;
  }

  namespace Beknown {
    /** What travels with an event: anything that JSON can hold. (`any` lets a page's own interfaces in.) */
    type Properties = { [name: string]: any };

    interface CaptureOptions {
      /** Properties of the person, as they are from now on. */
      $set?: Properties;
      /** Properties of the person, unless they have them already. */
      $set_once?: Properties;
      /** Names of properties that the person has no more. */
      $unset?: string | readonly string[];
      /** When it happened, if not now: a date, ISO 8601, or ms since 1970. */
      timestamp?: Date | string | number;
      /** An id of your own for the event: of two events with one id the first is kept. */
      uuid?: string;
    }

    interface ResetOptions {
      /** Forget the device too: nothing then tells that it is the same browser. */
      device?: boolean;
      /** Names of registered properties that stay. */
      keep?: string | readonly string[];
    }

    interface Signed {
      /** What your backend's `sign(id, secret_key)` gives: needed where the project demands signed identities. */
      signature?: string;
    }

    /** Which Python runs in this browser. */
    interface Runtime {
      runtime: "micropython" | "pyodide";
      version: string;
    }

    /** May the visitor be known? Anything else than these four in the tag counts as pending. */
    type Consent = "granted" | "pending" | "cookieless" | "denied";

    /** An event as it is about to leave. */
    interface Event {
      uuid: string;
      event: string;
      distinct_id: string;
      /** ISO 8601, UTC. */
      timestamp: string;
      properties: Properties;
      $set?: Properties;
      $set_once?: Properties;
      $unset?: readonly string[];
    }

    /** The calls of the inline stub: kept until the script has come. */
    interface Calls {
      /** Something happened. */
      capture(event: string, properties?: Properties, options?: CaptureOptions): void;
      /** This visitor is that user; what they did before is theirs. `distinct_id` is your own, stable id of them. */
      identify(distinct_id: string | number, set?: Properties, set_once?: Properties, options?: Signed): void;
      /** This user is also known under another id. */
      alias(id: string | number, options?: Signed): void;
      /** This visitor acts for a company, a team or the like from now on. */
      group(type: string, key: string | number, properties?: Properties): void;
      /** This visitor acts for nobody but themselves from now on. */
      reset_groups(): void;
      /** The user has gone (at log-out): whoever comes next is somebody else. */
      reset(options?: ResetOptions | boolean): void;
      /** Put these on every event from now on, until `reset()`. */
      register(properties: Properties): void;
      /** The same, for names that are not registered yet. */
      register_once(properties: Properties): void;
      /** The same, until the session ends. */
      register_for_session(properties: Properties): void;
      /** No longer put this on events. */
      unregister(name: string): void;
      /** Something about the person, whoever they are. */
      set_person_properties(set?: Properties, set_once?: Properties): void;
      /** This visitor is a person of their own, with a first touch, before anybody names them. */
      create_person_profile(): void;
      /** Forget these about the person. */
      unset_person_properties(names: string | readonly string[]): void;
      /** The visitor says yes: from now on they may be known. What waited is run. */
      opt_in(): void;
      /** The visitor says no: they are forgotten here, and nothing leaves the page from now on. */
      opt_out(): void;
      /**
       * Let a function see each event before it leaves: what it gives is sent; null, or an exception, drops the event.
       * Whose it is (distinct_id, $device_id, $anon_distinct_id), its uuid and its timestamp are not to be changed.
       */
      before_send(edit: (event: Event) => Event | null | undefined): void;
      /** posthog-js's names for these. */
      setPersonProperties(set?: Properties, set_once?: Properties): void;
      unsetPersonProperties(names: string | readonly string[]): void;
      createPersonProfile(): void;
      resetGroups(): void;
      unregister_for_session(name: string): void;
      opt_in_capturing(): void;
      opt_out_capturing(): void;
    }

    /** posthog-js's older way to say something about the person. */
    interface People {
      set(properties: Properties): void;
      set(name: string, value: any): void;
      set_once(properties: Properties): void;
      set_once(name: string, value: any): void;
    }

    /** The tag, once its script has loaded. */
    interface Client extends Calls {
      /** What holds now: the visitor's choice, or else the tag's and the browser's. */
      consent(): Consent;
      /** Be told of each event as it leaves; the answer ends it. */
      on(what: "capture", told: (event: Event) => void): () => void;
      /** Be told of the distinct id, the session's id, or what the console says; the answer ends it. */
      on(what: "identify" | "reset" | "session" | "error", told: (detail: string) => void): () => void;
      /** The id that events are filed under: the user's, or an anonymous one; empty while nobody may be known. */
      get_distinct_id(): string;
      /** The id of this browser, which `reset()` leaves alone unless told otherwise. */
      get_device_id(): string;
      /** The id of this visit; empty before its first event. */
      get_session_id(): string;
      /** posthog-js's names, so that a page can move without being rewritten; the others are calls like any. */
      readonly people: People;
      get_explicit_consent_status(): "granted" | "pending" | "denied";
      has_opted_in_capturing(): boolean;
      has_opted_out_capturing(): boolean;
      is_capturing(): boolean;
      /** Fulfilled when everything so far is delivered, or has failed for good. */
      flush(): Promise<void>;
      /** Fulfilled when Python is up in this browser; never, where the page's policy forbids it. */
      readonly ready: Promise<Runtime>;
    }
  }
}
