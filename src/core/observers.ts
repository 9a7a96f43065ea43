/** The observer pattern: objects whose methods are called on events; every method is optional. */

type Arguments<Method> = Method extends (...args: infer A) => unknown ? A : never;

/** Calls the method `name` of every observer that has it, in order, waiting for each before the next. */
export async function notify<Observer extends object, Name extends keyof Observer>(
  observers: readonly Observer[],
  name: Name,
  ...args: Arguments<NonNullable<Observer[Name]>>
): Promise<void> {
  for (const observer of observers) {
    const method = observer[name];
    if (typeof method === 'function') await method.apply(observer, args);
  }
}
